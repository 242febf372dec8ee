"""Change of mind: what a new override would do to an existing run, and retrying or rewinding a gate."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from env.refusal import Refusal
from runner.config import compose_experiment, dump_config, leaves, merge_overrides, read_config
from runner.freshness import Freshness, examine
from runner.journal import EventType
from runner.machine import GATES
from runner.run import Run, archive_old_attempts, command, replace_config


@dataclass(frozen=True, slots=True)
class Change:
    """A config that overrides would give a run, and what that means for its gates.

    Attributes:
        changed: the dotted keys whose value differs.
        stale: begun gates whose stored work would describe another experiment.
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
    merged = merge_overrides(run.overrides(), overrides)
    _, config = compose_experiment(merged)
    _, present = read_config(run.file("config.yaml"))
    before, after = leaves(present), leaves(config)
    changed = sorted(key for key in {*before, *after} if before.get(key) != after.get(key))
    stale = [item for item in examine(run, config, gates) if not item.fresh] if changed else []
    return Change(merged, config, changed, stale)


def accept(run: Run, change: Change) -> None:
    """Store a change that was found acceptable. The caller holds the run's lock."""
    if change.changed:
        replace_config(run, dump_config(change.config), change.overrides, change.changed)


def change_config(folder: Path, overrides: list[str]) -> list[Freshness]:
    """Give the run another configuration, unless begun gates would then describe another experiment.

    Returns:
        the gates that forbid it ([] when it was done or nothing changed). A gate that said no does not forbid it:
        the next advance asks it again.
    """
    with Run.held(folder) as (run, _):
        change = propose(run, overrides)
        asked_again = run.machine.gate if run.machine.phase == "failed" else ""
        forbidding = [item for item in change.stale if item.gate != asked_again]
        if not forbidding:
            accept(run, change)
        return forbidding


def retry(folder: Path, overrides: list[str]) -> str:
    """Begin a new attempt of the gate the run stands at; return the gate. The old attempt is kept.

    Raises:
        Refusal: the gate has not begun, or a gate before it would become stale.
    """
    with Run.held(folder) as (run, _):
        gate = run.machine.gate
        if not run.machine.allows(EventType.GATE_RETRIED, gate or "e"):
            where = f"gate {gate.upper()} has not begun" if gate else "the run is finished"
            raise Refusal(
                f"There is nothing to retry: {where}.",
                "`python -m runner advance` goes on; `python -m runner rewind GATE` goes back.",
            )
        _prepare(run, overrides, gate)
        run.record(EventType.GATE_RETRIED, gate)
        archive_old_attempts(run)
        return gate


def rewind(folder: Path, gate: str, overrides: list[str]) -> None:
    """Go back to just before ``gate``; it and the gates after it begin new attempts, the old ones are kept.

    Raises:
        Refusal: the run has not come as far, or a gate before it would become stale.
    """
    with Run.held(folder) as (run, _):
        if not run.machine.allows(EventType.GATE_REWOUND, gate):
            here = "nowhere yet" if not run.machine.gate else f"at gate {run.machine.gate.upper()}"
            raise Refusal(
                f"Gate {gate.upper()} has not been reached: the run stands {here}.", "There is nothing to rewind."
            )
        _prepare(run, overrides, gate)
        run.record(EventType.GATE_REWOUND, gate)
        archive_old_attempts(run)


def _prepare(run: Run, overrides: list[str], gate: str) -> None:
    """Store the overrides if every gate before ``gate`` keeps its meaning."""
    change = propose(run, overrides, GATES[: GATES.index(gate)])
    if change.stale:
        first = change.stale[0]
        raise Refusal(
            f"Gate {first.gate.upper()} would describe another experiment: {'; '.join(first.reasons)}.",
            f"`{command(run.folder, f'rewind {first.gate.upper()} {shlex.join(overrides)}')}`, or `new`.",
        )
    accept(run, change)
