"""What is known about the model before its weights load: files, tokens, memory and disk against this machine."""

from __future__ import annotations

import shutil
from pathlib import Path

from env.checks import Check, fact, judged
from env.machine.disks import disk
from env.machine.gpus import survey_gpus
from env.machine.hardware import memory
from env.refusal import Refusal
from env.space import size_text
from gates.a_environment.adapter_fit import adapter_checks
from gates.settings import Experiment, planned_training
from training.backends import require_installed, require_server, require_trainer
from training.backends.local.hub import commit_of, hub_cache, is_offline
from training.models import check_settings, local_folder, source_note, text_choices
from training.needs.disk import checkpoint_bytes
from training.needs.memory import Footprint, estimate, read_shape
from training.needs.weight_headers import require_whole, weight_files
from training.schedule import checkpoint_count

# Prompts are short beside this; the estimate of the attention cache assumes this length for all of them.
_PROMPT_TOKENS = 512
# adapters train, and are stored, in float32
_BYTES_TRAINED = 4
_FITTING = "loads and trains as configured"


def model_checks(experiment: Experiment, results: Path) -> list[Check]:
    """Return the checks of the model's files, settings, memory and checkpoints; no weight is read, nothing downloaded.

    Args:
        results: the folder that will hold the checkpoints; it may not exist yet.

    Raises:
        Refusal: files are missing or torn, the backend cannot load this model or train this adapter, or the adapter
            would be larger than allowed.
    """
    # before anything is downloaded for it
    require_installed(experiment.backend.name)
    require_trainer(experiment.backend.name)
    if experiment.sampler.name:
        require_server(experiment.sampler.name)
    folder = local_folder(experiment.model)
    if folder is None:
        return [_download_check(experiment.model.path)]
    check_settings(experiment.backend.name, experiment.model, experiment.gate.c.lora)
    texts = text_choices(experiment.backend.name, experiment.model)
    files = weight_files(folder)
    size = size_text(require_whole(files))
    many = f"{len(files)} weight files" if len(files) > 1 else "one weight file"
    found = judged("model files", "block", True, f"{folder}: {size} in {many}", "complete and compatible")
    source = source_note(experiment.model.path)
    facts = [fact(f"model {name}", chosen) for name, chosen in texts.items()]
    return [
        found,
        *([fact("model source", source)] if source else []),
        *revision_facts(experiment),
        *facts,
        *_size_checks(experiment, folder, results),
    ]


def revision_facts(experiment: Experiment) -> list[Check]:
    """Return which commit of the hub's model this is; [] for a folder of the user's."""
    folder, requested = local_folder(experiment.model), experiment.model.revision
    commit = "" if folder is None else commit_of(folder)
    if not commit:
        return []
    why = f"of {requested}, requested" if requested else f"of the main branch; model.revision={commit} pins it"
    return [fact("model revision", commit, why)]


def model_checks_or_miss(experiment: Experiment, results: Path) -> list[Check]:
    """Return ``model_checks``; a refusal becomes a check that blocks, for a list that shows everything."""
    try:
        return model_checks(experiment, results)
    except Refusal as refusal:
        path = experiment.model.path
        return [judged("model", "block", False, path, _FITTING, reason=refusal.sentence, fix=refusal.fix)]


def _download_check(path: str) -> Check:
    cache = disk(hub_cache())
    free = "" if cache.free_gb is None else f", {cache.free_gb:.0f} GB free there"
    return judged(
        "model files",
        "block",
        not is_offline(),
        f"{path} is not (fully) downloaded to the hub cache {cache.folder}{free}",
        "in the cache, since HF_HUB_OFFLINE is set" if is_offline() else "downloaded when the model is first loaded",
        reason="nothing can be downloaded",
        fix="Unset HF_HUB_OFFLINE, or give the folder of a downloaded model.",
    )


def _size_checks(experiment: Experiment, folder: Path, results: Path) -> list[Check]:
    gpu, free_gb = _accelerator(experiment)
    tokens = _PROMPT_TOKENS + experiment.sampling.max_new_tokens + experiment.sampling.thinking.max_tokens
    config = experiment.gate.c
    try:
        needed = estimate(folder, experiment.model, config.lora, config.train, tokens, on_gpu=bool(gpu))
    except Refusal as refusal:
        return [fact("model memory", "not estimated", refusal.sentence)]
    _require_small_adapter(needed, config.train.max_adapter_mb)
    return [
        _memory_check(needed, gpu or "main memory", free_gb),
        *adapter_checks(read_shape(folder).layers, needed.parameters, config.lora, config.train),
        *_checkpoint_checks(experiment, needed, results),
    ]


def _require_small_adapter(needed: Footprint, limit_mb: float) -> None:
    size_mb = _BYTES_TRAINED * needed.adapter_parameters / 1e6
    if limit_mb and size_mb > limit_mb:
        raise Refusal(
            f"The adapter will take {size_mb:.2f} MB, gate.c.train.max_adapter_mb is {limit_mb:g}.",
            "Lower gate.c.lora.r, adapt fewer modules or layers, or raise gate.c.train.max_adapter_mb.",
        )


def _memory_check(needed: Footprint, where: str, free_gb: float | None) -> Check:
    value = f"about {needed.total_gb:.1f} GB of {where} for {needed.parameters / 1e6:,.1f} M parameters"
    if free_gb is None:
        return fact("model memory", value, "this platform does not report how much is free")
    return judged(
        "model memory",
        "block",
        needed.total_gb <= free_gb,
        f"{value}, {free_gb:.1f} GB free",
        f"≤ {free_gb:.1f} GB free",
        reason="training or generating would run out of memory",
        fix="Lower model.batch_size, gate.c.train.batch_size or max_length, or set gradient_checkpointing=true.",
        evidence=needed.lines(),
    )


def _checkpoint_checks(experiment: Experiment, needed: Footprint, results: Path) -> list[Check]:
    """Check the disk for the checkpoints of Gate C; [] where the size of an adapter is unknown."""
    if not needed.adapter_parameters:
        return []
    train = planned_training(experiment)
    each = checkpoint_bytes(_BYTES_TRAINED * needed.adapter_parameters)
    # rows of a file are not counted yet: any schedule gives at least one checkpoint
    count = checkpoint_count(train) if train.max_steps else 1
    place = disk(results)
    if place.free_gb is None:
        return []
    free = shutil.disk_usage(place.folder).free
    many = f"{count} x {size_text(each)}" if train.max_steps else f"{size_text(each)} each"
    return [
        judged(
            "checkpoint disk",
            "block",
            each * count <= free,
            f"{many} for {needed.adapter_parameters / 1e6:,.2f} M trained parameters, {size_text(free)} free",
            f"≤ {size_text(free)} free at {place.folder}",
            reason="training would run out of disk space before it ends",
            fix="Free space there, raise gate.c.train.checkpoint_every, or write results elsewhere.",
        )
    ]


def _accelerator(experiment: Experiment) -> tuple[str, float | None]:
    """Return (name of the GPU that will hold the model, "" for none; free GB there, or of main memory)."""
    gpus = survey_gpus().gpus if experiment.model.device != "cpu" else ()
    if gpus:
        # CUDA counts the fastest first, and a model takes the first
        first = max(gpus, key=lambda gpu: (gpu.compute_capability, gpu.vram_gb))
        return first.name, first.free_gb if first.free_gb is not None else first.vram_gb
    return "", memory().available_gb
