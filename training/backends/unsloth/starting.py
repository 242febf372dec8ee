"""Importing unsloth: first of all libraries, by the version rule of its project, on a GPU, or on a CPU if requested."""

from __future__ import annotations

import importlib
import os
import sys
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from packaging.version import Version

from env.cache import cache_folder
from env.machine.gpu_claim import claim_gpu
from env.refusal import Refusal
from training.backends import find_backend
from training.records import ModelSettings

# unsloth changes weekly: this is the version that the backend's tests run with
KNOWN_GOOD = "2026.10.7"

_PATCHED = ("transformers", "peft", "trl")


@dataclass(frozen=True, slots=True)
class Started:
    """The imported library, on which device it runs, and what to say about both (name -> "value: reason")."""

    library: Any
    device: str
    choices: dict[str, str]


def start(settings: ModelSettings) -> Started:
    """Import unsloth and return it with the choices made.

    Raises:
        Refusal: it is older than the known good version, or does not support the requested device.
        RuntimeError: a library that it patches was imported before it.
    """
    require_possible(settings)
    early = [name for name in _PATCHED if name in sys.modules]
    if early and "unsloth" not in sys.modules:
        raise RuntimeError(f"unsloth must be imported before {' and '.join(early)}")
    _set_environment(settings)
    library = _imported()
    device, reason = _device(settings)
    return Started(
        library, device, {"unsloth": version_note(str(library.__version__)), "device": f"{device}: {reason}"}
    )


def require_possible(settings: ModelSettings, dora: bool = False) -> None:
    """Raise Refusal when unsloth is too old, or does not support the settings; imports nothing of it."""
    version_note(version("unsloth"))
    if settings.processes > 1:
        raise Refusal(
            f"model.processes = {settings.processes}: backend unsloth generates in one process.",
            "Set model.processes=1.",
        )
    if dora:
        raise Refusal(
            "lora.dora = true: unsloth's kernels compute no DoRA.", "Set it to false, or backend=transformers_peft."
        )


def _set_environment(settings: ModelSettings) -> None:
    """Set what unsloth reads at import: no telemetry, no compiler output in the working directory."""
    os.environ.setdefault("UNSLOTH_DISABLE_STATISTICS", "1")
    os.environ.setdefault("UNSLOTH_COMPILE_LOCATION", str(cache_folder() / "unsloth_compiled"))
    if settings.device == "cpu":
        # its own switch for machines without a GPU; its kernels are then PyTorch's
        os.environ["UNSLOTH_ALLOW_CPU"] = "1"
        os.environ["UNSLOTH_COMPILE_DISABLE"] = "1"


def _imported() -> Any:
    """Return the module. Raises Refusal with its own sentence when it refuses this machine."""
    try:
        return importlib.import_module("unsloth")
    except (ImportError, NotImplementedError, RuntimeError) as error:
        sentence = " ".join(str(error).split())[:300]
        raise Refusal(
            f"unsloth cannot start: {sentence}",
            "On a machine without a GPU set model.device=cpu (slow, for trying out), or backend=transformers_peft.",
        ) from error


def _device(settings: ModelSettings) -> tuple[str, str]:
    import torch

    if settings.device == "cpu":
        return "cpu", "requested; unsloth's kernels need a GPU, its plain code runs"
    if settings.device == "mps":
        raise Refusal("model.device = 'mps': backend unsloth has no Apple GPU.", "Set backend=mlx.")
    if not torch.cuda.is_available():
        raise Refusal("backend = 'unsloth' sees no GPU.", "Set model.device=cpu to run its plain code, slowly.")
    # not earlier: it imports torch, and unsloth must be first
    from training.backends.transformers_peft.choosing import card_name

    claim_gpu(card_name())
    return "cuda", f"torch sees {torch.cuda.get_device_name()}"


def version_note(found: str) -> str:
    """Return "version: what is known about it"; a newer one is warned about. Raises Refusal for an older one."""
    if Version(found) < Version(KNOWN_GOOD):
        raise Refusal(
            f"unsloth {found} is older than {KNOWN_GOOD}, the version known to work.",
            f"Install it: {find_backend('unsloth').install}.",
        )
    if Version(found) > Version(KNOWN_GOOD):
        return f"{found}: WARNING, newer than {KNOWN_GOOD}, the version known to work"
    return f"{found}: the version known to work"
