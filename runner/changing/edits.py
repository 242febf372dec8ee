"""Changing an existing run: what a new override would do, and retrying or rewinding a gate."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from env.refusal import Refusal
from gates import LAST
from runner.runs.config import compose_experiment, groups, read_config, validate
from runner.runs.folder import Run, archive_old_attempts, command, new_command, replace_config
from runner.runs.hand_edits import HandEdit, hand_edits
from runner.runs.journal import EventType
from runner.runs.overrides import merge_overrides, override_text
from runner.runs.plain_config import differing, dump_config, read_plain
from runner.runs.state_machine import GATES
from runner.validity.freshness import Freshness, examine


@dataclass(frozen=True, slots=True)
class Change:
    """The config that overrides would give a run, and the effect on its gates.

    Attributes:
        changed: the dotted keys whose value differs.
        stale: started gates whose stored results would describe another experiment.
    """

    overrides: list[str]
    config: dict[str, Any]
    changed: list[str]
    stale: list[Freshness]


def propose(run: Run, overrides: list[str], gates: Sequence[str] = GATES) -> Change:
    """Return what ``overrides`` on top of the run's own would change, and which of ``gates`` that makes stale.

    Raises:
        Refusal: an override is bad, or the run's own configuration cannot be read.
    """
    present = read_plain(run.file("config.yaml"))
    merged, config = overridden(run, present, overrides)
    changed = differing(present, config)
    stale = [item for item in examine(run, config, gates) if not item.fresh] if changed else []
    return Change(merged, config, changed, stale)


def overridden(run: Run, present: dict[str, Any], overrides: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """Return all overrides of the run with ``overrides`` on top, and its ``present`` config with what these change.

    An override changes only its own keys: a default that conf/ has changed since, a path that was made absolute from
    another folder and an edit by hand stay as they are. Keys that this version added are filled in.

    Raises:
        Refusal: an override is bad.
    """
    former = run.overrides()
    merged = merge_overrides(former, overrides)
    _, before = compose_experiment(former)
    _, after = compose_experiment(merged)
    named = {text.partition("=")[0] for text in overrides}
    config = _changed_as(present, before, after, named)
    validate(config)
    return merged, config


def edits_as_overrides(run: Run, edits: Sequence[HandEdit]) -> list[str]:
    """Return the run's overrides with hand edits on top: what a run like this one is composed from."""
    chosen = groups()
    mine = [f"{edit.key}={override_text(edit.after)}" for edit in edits if edit.key not in chosen]
    return merge_overrides(run.overrides(), mine)


def accept_hand_edits(run: Run) -> list[str]:
    """Record edits of config.yaml as the equivalent overrides; return each as a sentence.

    Whether it makes a gate stale is for freshness to say. The caller holds the run's lock.

    Raises:
        Refusal: the edited file is not a valid configuration.
    """
    edits = hand_edits(run)
    if edits:
        read_config(run.file("config.yaml"))
        text = run.file("config.yaml").read_text(encoding="utf-8")
        replace_config(run, text, edits_as_overrides(run, edits), [edit.key for edit in edits], True)
    return [str(edit) for edit in edits]


def _changed_as(
    present: dict[str, Any], before: dict[str, Any], after: dict[str, Any], named: set[str], prefix: str = ""
) -> dict[str, Any]:
    """Return ``after`` with the values of ``present`` where ``after`` is as ``before`` and no ``named`` key says so."""
    result: dict[str, Any] = {}
    for key, value in after.items():
        mine, former, dotted = present.get(key), before.get(key), f"{prefix}{key}"
        if isinstance(value, dict):
            inner = former if isinstance(former, dict) else {}
            result[key] = _changed_as(mine if isinstance(mine, dict) else {}, inner, value, named, f"{dotted}.")
        else:
            is_kept = key in present and former == value and dotted not in named
            result[key] = mine if is_kept else value
    return result


def accept(run: Run, change: Change) -> None:
    """Store an accepted change. The caller holds the run's lock."""
    if change.changed:
        replace_config(run, dump_config(change.config), change.overrides, change.changed)


def change_config(folder: Path, overrides: list[str]) -> list[Freshness]:
    """Give the run another configuration, unless started gates would then describe another experiment.

    Returns:
        the gates that forbid it ([] when it was done or nothing changed). A gate that said no does not forbid it:
        the next advance runs it again.
    """
    with Run.held(folder) as (run, _):
        accept_hand_edits(run)
        change = propose(run, overrides)
        asked_again = run.machine.gate if run.machine.phase == "failed" else ""
        forbidding = [item for item in change.stale if item.gate != asked_again]
        if not forbidding:
            accept(run, change)
        return forbidding


def retry(folder: Path, overrides: list[str]) -> str:
    """Start a new attempt of the run's current gate; return the gate. The old attempt is kept.

    Raises:
        Refusal: the gate has not started, or a gate before it would become stale.
    """
    with Run.held(folder) as (run, _):
        gate = run.machine.gate
        if not run.machine.allows(EventType.GATE_RETRIED, gate or LAST):
            where = f"gate {gate.upper()} has not started" if gate else "the run is finished"
            raise Refusal(
                f"There is nothing to retry: {where}.",
                "`python -m runner advance` continues; `python -m runner rewind GATE` goes back.",
            )
        anew = not _prepare(run, overrides, gate)
        run.record(EventType.GATE_RETRIED, gate, anew=anew)
        archive_old_attempts(run)
        return gate


def rewind(folder: Path, gate: str, overrides: list[str]) -> None:
    """Go back to just before ``gate``; it and the gates after it start new attempts, the old ones are kept.

    Raises:
        Refusal: the run has not come as far, or a gate before it would become stale.
    """
    with Run.held(folder) as (run, _):
        if not run.machine.allows(EventType.GATE_REWOUND, gate):
            here = "not started" if not run.machine.gate else f"at gate {run.machine.gate.upper()}"
            raise Refusal(
                f"Gate {gate.upper()} has not been reached: the run is {here}.", "There is nothing to rewind."
            )
        anew = not _prepare(run, overrides, gate)
        run.record(EventType.GATE_REWOUND, gate, anew=anew)
        archive_old_attempts(run)


def _prepare(run: Run, overrides: list[str], gate: str) -> bool:
    """Store the overrides if every gate before ``gate`` keeps its meaning; return whether they changed anything."""
    accept_hand_edits(run)
    change = propose(run, overrides, GATES[: GATES.index(gate)])
    if change.stale:
        first = change.stale[0]
        raise Refusal(
            f"Gate {first.gate.upper()} would describe another experiment: {'; '.join(first.reasons)}.",
            f"`{command(run.folder, f'rewind {first.gate.upper()} {shlex.join(overrides)}')}`, "
            f"or `{new_command(run.folder, overrides)}`.",
        )
    accept(run, change)
    return bool(change.changed)
