"""The journal of a run: events.jsonl, append-only and fsynced, the only truth about what happened.

Each line ends in the start of the SHA-256 of what precedes it, so that a flipped bit is a refusal, never another
history. Lines of older runs have none and are read without it. Not covered: a person who adds a valid line.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from env.files import append_lines, read_lines
from env.refusal import Refusal
from env.reserve import spend_reserve
from env.space import DiskFull

SCHEMA_VERSION = 1
# Fields used in computations, where an event has them.
_TEXTS = ("first_started_at", "report_sha256")
_NUMBERS = ("attempt", "elapsed_before_s", "seconds")
_KEYS = frozenset({"seq", "at", "type", "gate", "data"})
_SUM = re.compile(r', "sum": "([0-9a-f]{16})"\}$')


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
    GATE_REUSED = "gate_reused"

    @classmethod
    def _missing_(cls, value: object) -> EventType | None:
        """Return the event that older journals call otherwise."""
        return cls.GATE_REUSED if value == "gate_taken_over" else None


_LAST_WORDS = frozenset({EventType.GATE_PASSED, EventType.GATE_FAILED, EventType.GATE_CRASHED, EventType.GATE_STOPPED})


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the journal.

    Attributes:
        seq: 1, 2, 3, ... without gaps; a gap or a repeat means that the file was edited.
        at: UTC time in ISO 8601, for display; no logic depends on it.
        gate: "a" to "e", or "" for an event of the run.
        data: details of the event, such as the headline of a passed gate.
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
        """Append one event durably: when this returns, it survives a power cut.

        The end of a gate is recorded on a full disk too, in the space of the run's reserve.
        """
        at = now()
        if self.events and (back_s := _seconds_back(self.events[-1].at, at)) > 0:
            # nothing depends on times; the reader is warned that they are not in order here
            data = {**data, "clock_back_s": back_s}
        event = Event(len(self.events) + 1, at, kind, gate, data)
        self._append(event_line(event), kind in _LAST_WORDS)
        self.events.append(event)
        return event

    def _append(self, line: str, is_last_word: bool) -> None:
        try:
            append_lines(self.path, [line])
        except DiskFull:
            # the reserve is for the end of a gate; nothing starts on a full disk
            if not (is_last_word and spend_reserve(self.path.parent)):
                raise
            append_lines(self.path, [line])


def event_line(event: Event) -> str:
    """Return the event as its line in the journal, without the newline."""
    body = json.dumps(asdict(event), ensure_ascii=False, allow_nan=False)
    return f'{body[:-1]}, "sum": "{_sum(body)}"}}'


def _seconds_back(before: str, after: str) -> float:
    """Return by how many seconds ``after`` is before ``before``; not above 0 when the clock moved forward."""
    moments = [datetime.fromisoformat(text) for text in (before, after)]
    first, second = (moment if moment.tzinfo else moment.replace(tzinfo=UTC) for moment in moments)
    return (first - second).total_seconds()


def parse_event(path: Path, number: int, line: str) -> Event:
    """Return the event on line ``number`` (1-based). Raises Refusal naming the line when it is not one."""
    where = f"{path}, line {number}"
    fix = "The journal was edited or damaged; restore that line, or start again with `python -m runner new`."
    found = _SUM.search(line)
    body = f"{line[: found.start()]}}}" if found else line
    try:
        raw = json.loads(body)
        _require_known(raw, where, found is not None and found[1] == _sum(body))
        event = Event(int(raw["seq"]), str(raw["at"]), EventType(raw["type"]), str(raw["gate"]), dict(raw["data"]))
    except (ValueError, KeyError, TypeError) as error:
        raise Refusal(f"{where}: not an event ({error}).", fix) from None
    if event.seq != number:
        raise Refusal(f"{where}: expected event {number}, found {event.seq}.", fix)
    if wrong := _wrong_value(event) or _damage(body, raw, found):
        raise Refusal(f"{where}: not an event ({wrong}).", fix)
    return event


def _require_known(raw: dict[str, Any], where: str, is_whole: bool) -> None:
    """Raise Refusal for a line that is intact, by its checksum, and of a kind this version does not know."""
    try:
        EventType(raw["type"])
    except ValueError:
        if not is_whole:
            return
        raise Refusal(
            f"{where}: {raw['type']!r} is not an event that this version of luagate knows.",
            "A newer version wrote it: continue with that one (see `git` in run.json), or start a new run.",
        ) from None


def _sum(body: str) -> str:
    return hashlib.sha256(body.encode("utf-8")).hexdigest()[:16]


def _damage(body: str, raw: dict[str, Any], found: re.Match[str] | None) -> str:
    """Return the sign that the line was changed after it was written; "" when there is none."""
    if found is not None and found[1] != _sum(body):
        return f"its checksum is {found[1]}, that of its content {_sum(body)}"
    unknown = sorted(raw.keys() - _KEYS)
    return f"unknown: {', '.join(unknown)}" if unknown else ""


def _wrong_value(event: Event) -> str:
    """Return the field with an unusable value; "" when there is none."""
    try:
        datetime.fromisoformat(event.at)
    except ValueError:
        return f"at is {event.at!r}"
    for keys, kinds in ((_TEXTS, (str,)), (_NUMBERS, (int, float))):
        for key in keys:
            if key in event.data and not isinstance(event.data[key], kinds):
                return f"data.{key} is {event.data[key]!r}"
    return ""
