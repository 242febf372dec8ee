"""The automatic choices of device, number format and threads, each with its reason."""

from __future__ import annotations

import os
from importlib.util import find_spec

import torch

from env.machine.gpu_claim import claim_gpu
from env.machine.hardware import bfloat16_unit, processor
from env.machine.load import busy_cores
from env.refusal import Refusal
from training.records import ModelSettings

# Below this a matrix product is too small for several threads (measured at 2 M parameters), and for 16 bits to pay. At
# 135 M, one thread, bfloat16 against float32 in turns in one run on a Xeon with avx512_bf16: decoding 64 rows 103
# against 56 tokens/s, reading 8 x 512 tokens 17 against 42 s, forward and backward of 4 x 384 24 against 45 s; with
# amx_bf16 562 against 301, 1.2 against 5.2 s, 2.7 against 5.9 s. The cost: a sample may depend on those beside it.
_LARGE = 100_000_000


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
    cards = torch.cuda.device_count() if device == "cuda" else 1
    if device != "cpu" and settings.processes > cards:
        many = f"there are {cards} GPUs, each" if cards > 1 else f"a {device} device is"
        raise Refusal(
            f"model.processes = {settings.processes}: {many} driven by one process.", f"Set model.processes={cards}."
        )
    if device == "cuda":
        claim_gpu(card_name())
    return device, reason


def card_name() -> str:
    """Return the name of the GPU that this process computes on: its UUID, which no renumbering changes."""
    return str(getattr(torch.cuda.get_device_properties(0), "uuid", "") or os.environ.get("CUDA_VISIBLE_DEVICES") or 0)


def choose_dtype(settings: ModelSettings, device: str, parameters: int = 0) -> tuple[torch.dtype, str]:
    """Return (number format of weights that are not quantised and of all computing, reason).

    Args:
        parameters: of the base, as far as they are known; a small one is as fast in float32.

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
    unit = bfloat16_unit() if device == "cpu" and settings.quantization == "none" else ""
    if unit and parameters >= _LARGE:
        return torch.bfloat16, f"this processor multiplies in it ({unit}): about twice as fast as float32 from 100 M on"
    return torch.float32, f"on {device} results then do not depend on the processor's bfloat16 instructions"


def choose_threads(settings: ModelSettings, parameters: int) -> tuple[int, str]:
    """Return (torch threads of this process, reason)."""
    if settings.threads:
        return settings.threads, "requested"
    count, reason = _threads_for(settings.processes, parameters)
    limit = os.environ.get("OMP_NUM_THREADS", "")
    if limit.isdigit() and 0 < int(limit) < count:
        return int(limit), f"OMP_NUM_THREADS; without it {count}: {reason}"
    return count, reason


def _threads_for(processes: int, parameters: int) -> tuple[int, str]:
    if parameters < _LARGE:
        return 1, f"{parameters / 1e6:.1f} M parameters are too few for several threads; more processes help"
    usable, by = processor().usable, processor().limited_by
    each = f"{usable:g} usable cores" + (f" ({by})" if by else "")
    each += f" for {processes} processes" if processes > 1 else ""
    busy = busy_cores()
    if busy is not None and busy >= 0.5:
        usable, each = usable - busy, f"{each}, {busy:.1f} of them busy with other programs"
    return max(1, round(usable) // processes), each


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
