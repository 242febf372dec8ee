"""What a test reads in a run folder, or changes in it by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from env.files import append_lines
from runner.runs.folder import Run
from runner.runs.journal import Event, EventType, now


def edit_json(path: Path, edit: Callable[[Any], None]) -> None:
    """Change a JSON file in place, as a hand would."""
    data = json.loads(path.read_text(encoding="utf-8"))
    edit(data)
    path.write_text(json.dumps(data), encoding="utf-8")


def edit_config(run: Run, before: str, after: str) -> None:
    """Change one line of a run's config.yaml, as a hand would."""
    path = run.file("config.yaml")
    text = path.read_text(encoding="utf-8")
    assert text.count(before) == 1
    path.write_text(text.replace(before, after), encoding="utf-8")


def record_start(run: Run, gate: str) -> None:
    """Write the event of a gate's beginning; nobody holds the run, so that it reads as interrupted."""
    started = "2026-11-20T10:00:00+00:00"
    run.record(EventType.GATE_STARTED, gate, attempt=1, first_started_at=started, elapsed_before_s=0.0)


def record_crash(run: Run, gate: str, **data: str) -> None:
    """Write the event of a gate that could not look; open the run anew to see it."""
    event = Event(len(run.journal.events) + 1, now(), EventType.GATE_CRASHED, gate, dict(data))
    append_lines(run.journal.path, [json.dumps(asdict(event))])


def decision_of(run: Run) -> dict[str, Any]:
    """Return the decision of a finished run."""
    data: dict[str, Any] = json.loads((run.gate_folder("e") / "report.json").read_text(encoding="utf-8"))
    decision: dict[str, Any] = data["results"]["decision"]
    return decision
