"""A run that is yet to be made: which run it is like, what it is composed of, what must be there first."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from env.files import refuse_device_or_pipe
from env.machine.source import source
from env.refusal import Refusal
from eval.datasets.files.hub import is_hub_name
from gates.settings import Experiment
from runner.changing.edits import edits_as_overrides
from runner.runs.config import PATH_KEYS, compose_experiment
from runner.runs.folder import Run, create_run, find_run, read_overrides
from runner.runs.hand_edits import hand_edits
from runner.runs.locations import PROJECT
from runner.runs.overrides import merge_overrides, override_text, own_profile, split
from runner.runs.own_profile import left_by
from runner.runs.plain_config import differing, dump_config, flatten, leaves, read_plain, subject_of
from training.backends import require_installed, require_server
from training.models import is_made_on_demand, local_folder, require_complete_folder, require_makeable


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a new run would be.

    Attributes:
        overrides: everything that it is composed from.
        config: its resolved configuration, as plain data.
        like: the run whose overrides it takes on; None where it begins with conf/'s defaults.
        given: the overrides that are new.
        kept: the overrides that it takes on from there.
        differences: "seed: 0 → 1" per key whose value differs from that run's.
    """

    overrides: list[str]
    experiment: Experiment
    config: dict[str, Any]
    like: Path | None
    given: list[str]
    kept: list[str]
    differences: list[str]


def propose_run(results: Path, overrides: Sequence[str], like: str | None, from_defaults: bool = False) -> Proposal:
    """Return the run that ``new`` would make: like another run, the current one by default, with overrides on top.

    What a profile of the user's own says that is named among the overrides wins over what is taken on.

    Raises:
        Refusal: an override is bad, there is no such run, or what that run was composed from cannot be taken on.
    """
    if like is not None and from_defaults:
        raise Refusal("--like and --from-defaults exclude each other.", "Give one of them.")
    pattern = None if from_defaults else find_run(results, like)
    if pattern is None:
        experiment, config = compose_experiment(overrides)
        return Proposal(merge_overrides([], overrides), experiment, config, None, list(overrides), [], [])
    taken = _taken_on(pattern)
    if (profile := own_profile(overrides)) is not None:
        taken = left_by(profile, taken)
    composed_from = merge_overrides(taken, overrides)
    experiment, config = compose_experiment(composed_from)
    named = [split(text).key for text in overrides]
    kept = [text for text in taken if split(text).key not in named]
    differences = _differences(pattern, config, named)
    return Proposal(composed_from, experiment, config, pattern, list(overrides), kept, differences)


def make_run(results: Path, proposal: Proposal, fresh: bool = False) -> Path:
    """Make the proposed run and return its folder; a ``fresh`` one reuses no gate of another run.

    Raises:
        Refusal: the model, the backend, a data file or the engine is not there, or is a pipe. Nothing was made then.
    """
    experiment, config = proposal.experiment, proposal.config
    require_data_files(config)
    require_engine(experiment)
    require_model(experiment)
    origin: dict[str, Any] = {"subject": subject_of(config)}
    if proposal.like is not None:
        origin |= {"like": proposal.like.name, "given": proposal.given, "differs": proposal.differences}
    text, git = dump_config(config), str(source(PROJECT))
    return create_run(results, experiment.profile, text, proposal.overrides, git, fresh, origin).folder


def require_data_files(config: dict[str, Any]) -> None:
    """Raise Refusal when a dataset file of a plain config is missing or empty: no run begins without its data.

    A data set of the hub is downloaded by Gate A.
    """
    for key in ("eval", "train"):
        value = config["dataset"].get(key)
        if not value or is_hub_name(value):
            continue
        if not Path(value).exists():
            raise Refusal(
                f"dataset.{key}: {value} is not a file.", "Give the path of a JSONL file, or of a folder of them."
            )
        refuse_device_or_pipe(Path(value), f"dataset.{key}")
        if os.path.isfile(value) and not Path(value).stat().st_size:
            raise Refusal(f"dataset.{key}: {value} holds no rows.", "Give a JSONL file with one object a line.")


def require_engine(experiment: Experiment) -> None:
    """Raise Refusal when the configuration names an engine by a path where nothing is."""
    engine = experiment.verifier.engine
    if engine and not Path(engine).exists():
        raise Refusal(f"verifier.engine: {engine} is not there.", "Give the path of an engine's folder or program.")
    refuse_device_or_pipe(Path(engine), "verifier.engine")


def require_model(experiment: Experiment) -> None:
    """Raise Refusal when the backend is not installed, or the model is neither a folder here nor a name of the hub."""
    if experiment.sampler.name:
        require_server(experiment.sampler.name)
    if not require_installed(experiment.backend.name).trains:
        return
    path = experiment.model.path
    if is_made_on_demand(path):
        require_makeable(path)
    elif Path(path).is_dir():
        require_complete_folder(experiment.model)
    elif Path(path).is_file():
        local_folder(experiment.model)  # refuses it, with what to give in its place
    elif not _may_be_hub_name(path):
        raise Refusal(
            f"model.path: {path} is not a folder, nor the name of a model on the hub, such as Qwen/Qwen3-4B.",
            "Give the path of the model's folder: model.path=FOLDER.",
        )


def _may_be_hub_name(path: str) -> bool:
    """Whether a path that is no folder here reads as ORGANISATION/MODEL, and not as a place beside a folder here."""
    organisation, _, name = path.partition("/")
    return bool(name) and "/" not in name and not path.startswith((".", "~")) and not Path(organisation).is_dir()


def _taken_on(folder: Path) -> list[str]:
    """Return the overrides of a run, hand edits among them, its files named by the paths that it uses.

    Raises:
        Refusal: they cannot be read, or this version cannot compose them.
    """
    try:
        overrides = _with_hand_edits(folder)
        used = flatten(read_plain(folder / "config.yaml"))
        keys = [split(text).key for text in overrides]
        overrides = merge_overrides(
            overrides, [f"{key}={override_text(used[key])}" for key in PATH_KEYS if key in keys and used.get(key)]
        )
        compose_experiment(overrides)
    except Refusal as refusal:
        raise Refusal(
            f"A run like {folder.name} cannot be made: {refusal.sentence}",
            "Begin with the defaults: `--from-defaults`; or with another run: `python -m runner new --like RUN`.",
        ) from None
    return overrides


def _with_hand_edits(folder: Path) -> list[str]:
    try:
        run = Run.open(folder)
    except Refusal:
        return read_overrides(folder)  # a damaged journal does not keep its run from being a pattern
    return edits_as_overrides(run, hand_edits(run))


def _differences(pattern: Path, config: dict[str, Any], named: Sequence[str]) -> list[str]:
    """Return "seed: 0 → 1" per key that differs from a run's configuration, the keys that were named first."""
    before = read_plain(pattern / "config.yaml")
    old, new = leaves(before), leaves(config)
    keys = sorted(differing(before, config), key=lambda key: key not in named)
    return [f"{key} {_shown(old.get(key))} → {_shown(new.get(key))}" for key in keys]


def _shown(value: Any) -> str:
    return "none" if value is None else ", ".join(map(str, value)) or "[]" if isinstance(value, list) else str(value)
