"""What a running gate has just written: its last losses, its last verdicts, the last warnings of its log.

Only the ends of files are read, so that the cost is the same after a minute and after a day. Nothing here decides
anything: these numbers are for display.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from env.heartbeat import Pulse
from env.logs import log_path
from gates import stores
from runner.views.folder_facts import training_folder

TAIL_BYTES = 262_144
_LOSSES = 24
_VERDICTS = 200
_NOTICES = 3
# A line of env.logs worth showing.
_NOTICE = re.compile(r"^\d{4}-\d\d-\d\dT(\d\d:\d\d:\d\d)Z (?:WARNING|ERROR|CRITICAL) +(.+)$", re.MULTILINE)
_BARS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class Losses:
    """The last steps' losses (nats per token), oldest first, and the last one's step."""

    step: int
    values: tuple[float, ...]

    @property
    def sparkline(self) -> str:
        """The values as bars between their lowest and their highest."""
        low, high = min(self.values), max(self.values)
        span = (high - low) or 1.0
        return "".join(_BARS[round((value - low) / span * (len(_BARS) - 1))] for value in self.values)


@dataclass(frozen=True, slots=True)
class Verdicts:
    """How often each outcome occurred among the last ``n`` samples: counts, not a rate for decisions."""

    n: int
    outcomes: tuple[tuple[str, int], ...]


def last_losses(folder: Path) -> Losses | None:
    """Return the losses that gate C wrote last; None before the first."""
    records = [
        record
        for record in _records(training_folder(folder / "gate_c") / "metrics.jsonl")
        if "loss" in record and "step" in record
    ]
    try:
        values = tuple(float(record["loss"]) for record in records[-_LOSSES:])
        return Losses(int(records[-1]["step"]), values) if values else None
    except (TypeError, ValueError):
        return None


def last_verdicts(folder: Path, pulse: Pulse) -> Verdicts | None:
    """Return the outcomes of the samples a gate verified last; None where it verifies none."""
    path = _samples_file(folder, pulse)
    outcomes = [_outcome(record) for record in _records(path)[-_VERDICTS:]] if path is not None else []
    counted = Counter(outcome for outcome in outcomes if outcome)
    return Verdicts(counted.total(), tuple(counted.most_common())) if counted else None


def last_notices(folder: Path, gate: str) -> list[str]:
    """Return the last warnings and errors of a gate's log, 'HH:MM:SS what' in UTC as the log has them."""
    text = _tail(log_path(folder, gate)).decode("utf-8", "replace")
    return [f"{found[1]} {found[2]}" for found in _NOTICE.finditer(text)][-_NOTICES:]


def _samples_file(folder: Path, pulse: Pulse) -> Path | None:
    """Return the file that the pulse's phase fills; a sweep names its cell in the message."""
    gate_folder = folder / f"gate_{pulse.gate}"
    if not stores(pulse.gate, "cells"):
        return gate_folder / "samples.jsonl"
    words = set(pulse.message.split())
    return next((path for path in sorted(gate_folder.glob("cells/*/samples.jsonl")) if path.parent.name in words), None)


def _outcome(record: Any) -> str:
    try:
        return str(record["verdict"]["outcome"])
    except (KeyError, TypeError):
        return ""


def _records(path: Path) -> Sequence[dict[str, Any]]:
    """Return the complete JSON lines at the end of a file, oldest first."""
    found = []
    for text in _tail(path).split(b"\n")[:-1]:
        try:
            record = json.loads(text)
        except ValueError:  # the first line of the tail is cut, the last may be torn
            continue
        if isinstance(record, dict):
            found.append(record)
    return found


def _tail(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            stream.seek(0, 2)
            stream.seek(max(0, stream.tell() - TAIL_BYTES))
            return stream.read()
    except OSError:
        return b""
