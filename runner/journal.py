"""The journal of a run: events.jsonl, append-only and fsynced, the only truth about what happened."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from env.files import append_lines, read_lines
from env.refusal import Refusal

SCHEMA_VERSION = 1
# What is computed with, where an event has it.
_TEXTS = ("first_started_at", "report_sha256")
_NUMBERS = ("attempt", "elapsed_before_s", "seconds")


class EventType(StrEnum):
    """What can happen to a run. Gate events carry the gate's letter."""

    RUN_CREATED = "run_created"
    CONFIG_CHANGED = "config_changed"
    GATE_STARTED = "gate_started"
    GATE_PASSED = "gate_passed"
    GATE_FAILED = "gate_failed"
    GATE_CRASHED = "gate_crashed"
    GATE_STOPPED = "gate_stopped"
    GATE_RETRIED = "gate_retried"
    GATE_REWOUND = "gate_rewound"


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the journal.

    Attributes:
        seq: 1, 2, 3, ... without gaps; a gap or a repeat means that the file was edited.
        at: UTC time in ISO 8601, for people; no logic depends on it.
        gate: "a" to "e", or "" for an event of the run.
        data: what a reader of the history wants to know, such as the headline of a passed gate.
    """

    seq: int
    at: str
    type: EventType
    gate: str = ""
    data: dict[str, Any] = field(default_factory=dict)


def now() -> str:
    """Return the current UTC time in ISO 8601 with seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class Journal:
    """The events of one run: read once, then appended to by the one process that holds the run's lock."""

    def __init__(self, path: Path, events: Sequence[Event]) -> None:
        self.path = path
        self.events = list(events)

    @classmethod
    def read(cls, path: Path) -> Journal:
        """Read the journal; a torn last line (power cut in the middle of an append) is dropped.

        Raises:
            Refusal: a complete line is not an event, or its number breaks the sequence.
        """
        return cls(path, [parse_event(path, number, line) for number, line in enumerate(read_lines(path), start=1)])

    def append(self, kind: EventType, gate: str = "", /, **data: Any) -> Event:
        """Append one event durably: when this returns, it survives a power cut."""
        event = Event(len(self.events) + 1, now(), kind, gate, data)
        append_lines(self.path, [json.dumps(asdict(event), ensure_ascii=False, allow_nan=False)])
        self.events.append(event)
        return event


def parse_event(path: Path, number: int, line: str) -> Event:
    """Return the event on line ``number`` (1-based). Raises Refusal naming the line when it is not one."""
    where = f"{path}, line {number}"
    fix = "The journal was edited or damaged; restore that line, or start again with `python -m runner new`."
    try:
        raw = json.loads(line)
        event = Event(int(raw["seq"]), str(raw["at"]), EventType(raw["type"]), str(raw["gate"]), dict(raw["data"]))
    except (ValueError, KeyError, TypeError) as error:
        raise Refusal(f"{where}: not an event ({error}).", fix) from None
    if event.seq != number:
        raise Refusal(f"{where}: event number {event.seq} stands where {number} belongs.", fix)
    if wrong := _wrong_value(event):
        raise Refusal(f"{where}: not an event ({wrong}).", fix)
    return event


def _wrong_value(event: Event) -> str:
    """Return which value cannot be computed with; "" when every one can."""
    try:
        datetime.fromisoformat(event.at)
    except ValueError:
        return f"at is {event.at!r}"
    for keys, kinds in ((_TEXTS, (str,)), (_NUMBERS, (int, float))):
        for key in keys:
            if key in event.data and not isinstance(event.data[key], kinds):
                return f"data.{key} is {event.data[key]!r}"
    return ""
