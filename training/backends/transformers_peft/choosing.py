"""The automatic choices of device, number format and threads, each with its reason."""

from __future__ import annotations

import os
from importlib.util import find_spec

import torch

from env.refusal import Refusal
from training.records import ModelSettings

# below this a matrix product is too small for several threads: measured at 2 M parameters
_ONE_THREAD_BELOW = 100_000_000


def choose_device(settings: ModelSettings) -> tuple[str, str]:
    """Return (device, reason). Raises Refusal when the device does not exist or does not support the quantisation."""
    if settings.quantization == "nf4" and find_spec("bitsandbytes") is None:
        raise Refusal(
            "model.quantization = 'nf4' needs bitsandbytes, which is not installed.",
            "pip install -c env/locks/core.txt bitsandbytes, or train without quantisation: model.quantization=none.",
        )
    if settings.device == "auto":
        device, reason = _best_device(settings)
    else:
        device, reason = settings.device, "requested"
    if device == "cuda" and not torch.cuda.is_available():
        raise Refusal("model.device = 'cuda', but torch sees no CUDA device.", "Set model.device=auto or cpu.")
    if device == "mps" and not torch.backends.mps.is_available():
        raise Refusal("model.device = 'mps', but torch sees no Apple GPU.", "Set model.device=auto or cpu.")
    if device == "mps" and settings.quantization == "nf4":
        raise Refusal("model.quantization = 'nf4' does not run on mps.", "Set model.quantization=none.")
    if device != "cpu" and settings.processes > 1:
        raise Refusal(
            f"model.processes = {settings.processes}: a {device} device is driven by one process.",
            "Set model.processes=1.",
        )
    return device, reason


def choose_dtype(settings: ModelSettings, device: str) -> tuple[torch.dtype, str]:
    """Return (number format of weights that are not quantised and of all computing, reason).

    Raises:
        Refusal: bfloat16 is requested on a GPU that does not compute in it.
    """
    if (
        settings.dtype == "bfloat16"
        and device == "cuda"
        and not torch.cuda.is_bf16_supported(including_emulation=False)
    ):
        raise Refusal(
            f"model.dtype = 'bfloat16': {torch.cuda.get_device_name()} does not compute in it (Ampere and later do).",
            "Set model.dtype=auto, which takes float16 there.",
        )
    if settings.dtype != "auto":
        return getattr(torch, settings.dtype), "requested"
    # without its emulation, which torch counts as support and which is slower than float32
    if device == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.bfloat16, "the GPU computes in it, and its range needs no loss scaling"
    if device == "cuda":
        return torch.float16, "the GPU lacks bfloat16; losses are scaled so that small gradients survive"
    return torch.float32, f"on {device} results then do not depend on the processor's bfloat16 instructions"


def choose_threads(settings: ModelSettings, parameters: int) -> tuple[int, str]:
    """Return (torch threads of this process, reason)."""
    if settings.threads:
        return settings.threads, "requested"
    if parameters < _ONE_THREAD_BELOW:
        return 1, f"{parameters / 1e6:.1f} M parameters are too few for several threads; more processes help"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    count = max(1, cores // settings.processes)
    return count, f"{cores} cores for {settings.processes} process{'es' if settings.processes > 1 else ''}"


def choose_evaluation(settings: ModelSettings, device: str) -> tuple[bool, str]:
    """Return (whether generation runs on dequantised copies of the NF4 weights, reason)."""
    if settings.quantization != "nf4":
        return False, "the weights are not quantised"
    if settings.evaluation != "auto":
        return settings.evaluation == "dequantized", "requested"
    if device == "cpu":
        return True, "on the CPU the logits are bit-equal and no weight is unpacked at every token"
    return False, f"on {device} memory is the limit"


def _best_device(settings: ModelSettings) -> tuple[str, str]:
    if torch.cuda.is_available():
        return "cuda", f"torch sees {torch.cuda.get_device_name()}"
    if torch.backends.mps.is_available() and settings.quantization == "none":
        return "mps", "torch sees an Apple GPU"
    return "cpu", "torch sees no GPU that can hold this quantisation"
