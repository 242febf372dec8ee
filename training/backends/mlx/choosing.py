"""The automatic choices of device, number format and compilation, each with its reason, and what mlx cannot do."""

from __future__ import annotations

import mlx.core as mx

from env.refusal import Refusal
from training.records import ModelSettings

# name in the configuration -> (bits, group size) of mlx's affine quantisation
QUANTIZATIONS: dict[str, tuple[int, int]] = {"q4": (4, 64), "q8": (8, 64)}


def require_own_settings(settings: ModelSettings) -> None:
    """Raise Refusal when a setting is supported only by another backend."""
    if settings.double_quantization:
        raise Refusal(
            "model.double_quantization = True applies only to bitsandbytes' NF4.",
            "Set model.double_quantization=false.",
        )
    if settings.evaluation == "dequantized":
        raise Refusal(
            "model.evaluation = 'dequantized': mlx generates on the weights as they are held.",
            "Set model.evaluation=auto.",
        )


def choose_device(settings: ModelSettings) -> tuple[str, str]:
    """Return ("gpu" or "cpu", reason). Raises Refusal when the requested device does not exist."""
    has_metal = mx.metal.is_available()
    if settings.device == "cuda":
        raise Refusal("model.device = 'cuda': this backend drives Apple GPUs and CPUs.", "Set model.device=auto.")
    if settings.device == "mps" and not has_metal:
        raise Refusal("model.device = 'mps', but mlx sees no Apple GPU.", "Set model.device=auto or cpu.")
    if settings.device == "auto":
        device = "gpu" if has_metal else "cpu"
        reason = f"mlx sees {mx.device_info()['device_name']}" if has_metal else "mlx sees no Apple GPU"
    else:
        device, reason = ("gpu" if settings.device == "mps" else "cpu"), "requested"
    if device == "gpu" and settings.processes > 1:
        raise Refusal(
            f"model.processes = {settings.processes}: an Apple GPU is driven by one process.", "Set model.processes=1."
        )
    return device, reason


def choose_dtype(settings: ModelSettings, device: str) -> tuple[str, str]:
    """Return (name of the number format of weights that are not quantised and of all computing, reason)."""
    if settings.dtype != "auto":
        return settings.dtype, "requested"
    if device == "gpu":
        return "bfloat16", "half of float32's memory with its range, which needs no loss scaling"
    return "float32", "a CPU is no faster in 16 bits, and results then agree with other backends"


def choose_compilation(device: str) -> tuple[bool, str]:
    """Return (whether training steps are compiled, reason)."""
    if device == "gpu":
        return True, "fewer kernels are launched; batches are padded to multiples of 32 tokens to compile rarely"
    return False, "on a CPU a compiled step is no faster, and compiling takes 15 s"
