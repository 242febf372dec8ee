"""What can be told of the model before its weights load: files, formats and memory against this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from env.checks import Check, fact, judged
from env.gpus import survey_gpus
from env.hardware import memory
from env.refusal import Refusal
from training.backends import check_settings, local_folder
from training.footprint import Footprint, estimate

if TYPE_CHECKING:
    from gates.settings import Experiment

# Prompts are short beside this; the estimate of the attention cache takes it for all of them.
_PROMPT_TOKENS = 512


def model_checks(experiment: Experiment) -> list[Check]:
    """Return the checks of the model's files, settings and memory; no weight is read and nothing is downloaded.

    Raises:
        Refusal: files are missing, or the backend cannot hold this model or train this adapter.
    """
    folder = local_folder(experiment.model)
    if folder is None:
        return [_download_check(experiment.model.path)]
    check_settings(experiment.backend.name, experiment.model, experiment.gate.c.lora)
    size_gb = sum(file.stat().st_size for file in folder.glob("*.safetensors")) / 1e9
    files = judged("model files", "block", True, f"{folder}, {size_gb:.3g} GB of weights", "complete and fitting")
    return [files, *_memory_checks(experiment, folder)]


def model_checks_or_miss(experiment: Experiment) -> list[Check]:
    """Return ``model_checks``; what they refuse becomes a check that blocks, for a list that shows everything."""
    try:
        return model_checks(experiment)
    except Refusal as refusal:
        path = experiment.model.path
        return [judged("model files", "block", False, path, "complete", reason=refusal.sentence, fix=refusal.fix)]


def _download_check(path: str) -> Check:
    is_offline = os.environ.get("HF_HUB_OFFLINE", "0") not in ("", "0")
    return judged(
        "model files",
        "block",
        not is_offline,
        f"{path} is not in the hub's cache",
        "in the cache, since HF_HUB_OFFLINE is set" if is_offline else "downloaded when the model is first loaded",
        reason="nothing can be downloaded",
        fix="Unset HF_HUB_OFFLINE, or give the folder of a downloaded model.",
    )


def _memory_checks(experiment: Experiment, folder: Path) -> list[Check]:
    gpu, free_gb = _accelerator(experiment)
    tokens = _PROMPT_TOKENS + experiment.sampling.max_new_tokens
    config = experiment.gate.c
    try:
        needed = estimate(folder, experiment.model, config.lora, config.train, tokens, on_gpu=bool(gpu))
    except Refusal as refusal:
        return [fact("model memory", "not estimated", refusal.sentence)]
    return [_memory_check(needed, gpu or "main memory", free_gb)]


def _memory_check(needed: Footprint, where: str, free_gb: float | None) -> Check:
    value = f"about {needed.total_gb:.1f} GB of {where} for {needed.parameters / 1e6:,.1f} M parameters"
    if free_gb is None:
        return fact("model memory", value, "how much is free is not told here")
    return judged(
        "model memory",
        "block",
        needed.total_gb <= free_gb,
        value,
        f"≤ {free_gb:.1f} GB free",
        reason="training or generating would run out of memory",
        fix="Lower model.batch_size, gate.c.train.batch_size or max_length, or set gradient_checkpointing=true.",
        evidence=needed.lines(),
    )


def _accelerator(experiment: Experiment) -> tuple[str, float | None]:
    """Return (name of the GPU that will hold the model, "" for none; free GB there, or of main memory)."""
    gpus = survey_gpus().gpus if experiment.model.device != "cpu" else ()
    if gpus:
        best = max(gpus, key=lambda gpu: gpu.free_gb or gpu.vram_gb)
        return best.name, best.free_gb if best.free_gb is not None else best.vram_gb
    return "", memory().available_gb
