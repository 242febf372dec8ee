"""The journal survives torn tails and refuses anything else that is not a history."""

from __future__ import annotations

import errno
import hashlib
import itertools
import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from env.refusal import Refusal
from env.reserve import keep_reserve
from runner.runs.journal import Event, EventType, Journal, event_line
from runner.runs.state_machine import GATES, STATES, RunMachine, replay

HISTORY = [
    (EventType.RUN_CREATED, ""),
    (EventType.GATE_STARTED, "a"),
    (EventType.GATE_PASSED, "a"),
    (EventType.GATE_STARTED, "b"),
]


ALL_EVENTS = [(kind, gate) for kind in EventType for gate in (GATES if str(kind).startswith("gate_") else ("",))]
# what headlines and reasons may contain: any text, quotes and line separators included
TEXTS = st.text(st.characters(codec="utf-8"), max_size=12)
FILES = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80, deadline=None)


@st.composite
def histories(draw: st.DrawFn, longest: int = 10) -> list[Event]:
    """Return a history that the table allows, each event with some data."""
    machine, history = RunMachine(), []
    for seq in range(1, draw(st.integers(1, longest)) + 1):
        kind, gate = draw(st.sampled_from([move for move in ALL_EVENTS if machine.allows(*move)]))
        data = {"headline": draw(TEXTS), "seconds": draw(st.floats(0, 1e6))}
        history.append(Event(seq, "2026-11-20T09:02:00+00:00", kind, gate, data))
        machine.apply(history[-1])
    return history


def write(path: Path, history: Sequence[Event], tail: bytes = b"") -> list[bytes]:
    """Write a journal; return its lines."""
    lines = [event_line(event).encode("utf-8") + b"\n" for event in history]
    path.write_bytes(b"".join(lines) + tail)
    return lines


def written(path: Path) -> Journal:
    journal = Journal(path, [])
    for kind, gate in HISTORY:
        journal.append(kind, gate, headline="ein Größe ≥ 1")
    return journal


def test_what_was_appended_is_read_back(tmp_path: Path) -> None:
    journal = written(tmp_path / "events.jsonl")
    assert Journal.read(journal.path).events == journal.events


def test_the_journal_of_a_run_that_does_not_exist_is_empty(tmp_path: Path) -> None:
    assert Journal.read(tmp_path / "events.jsonl").events == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(cut=st.integers(min_value=0, max_value=2000))
def test_cut_anywhere_the_complete_lines_remain_and_the_torn_one_is_gone(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "events.jsonl"
    path.unlink(missing_ok=True)
    whole = written(path)
    content = path.read_bytes()[:cut]
    path.write_bytes(content)
    assert Journal.read(path).events == whole.events[: content.count(b"\n")]


def test_appending_after_a_torn_line_does_not_glue_two_events_together(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    written(path)
    with path.open("ab") as stream:
        stream.write(b'{"seq": 5, "at": "2026')
    journal = Journal.read(path)
    journal.append(EventType.GATE_CRASHED, "b")
    assert [e.type for e in Journal.read(path).events][-1] == EventType.GATE_CRASHED


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        ("not json", "line 3: not an event"),
        ('{"seq": 3}', "line 3: not an event"),
        ('{"seq": 3, "at": "", "type": "gate_exploded", "gate": "a", "data": {}}', "line 3: not an event"),
        (
            '{"seq": 7, "at": "", "type": "gate_passed", "gate": "a", "data": {}}',
            "line 3: expected event 3, found 7",
        ),
    ],
)
def test_a_complete_line_that_is_not_the_next_event_is_refused_by_its_number(
    tmp_path: Path, damage: str, says: str
) -> None:
    path = tmp_path / "events.jsonl"
    written(path)
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[2] = damage
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(Refusal, match=says):
        Journal.read(path)


def test_an_event_is_one_line_whatever_its_text_holds(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "events.jsonl", [])
    journal.append(EventType.RUN_CREATED, text="two\nlines\u2028and more")
    assert len(journal.path.read_bytes().splitlines()) == 1
    assert json.loads(journal.path.read_text(encoding="utf-8"))["data"]["text"] == "two\nlines\u2028and more"


@FILES
@given(history=histories(), data=st.data())
def test_any_prefix_of_any_history_with_any_torn_tail_replays_to_the_state_it_had(
    tmp_path: Path, history: list[Event], data: st.DataObject
) -> None:
    kept = data.draw(st.integers(0, len(history)))
    following = event_line(history[kept]).encode("utf-8") if kept < len(history) else b""
    torn = data.draw(
        st.one_of(
            st.integers(0, len(following)).map(lambda length: following[:length]),
            st.binary(max_size=40).map(lambda noise: noise.replace(b"\n", b"")),
        )
    )
    path = tmp_path / "events.jsonl"
    write(path, history[:kept], torn)
    read = Journal.read(path).events
    assert read == history[:kept]
    assert replay(read).state == replay(history[:kept]).state
    assert replay(read).state in STATES


@FILES
@given(history=histories(), data=st.data())
def test_what_follows_a_torn_tail_continues_with_the_history_before_it(
    tmp_path: Path, history: list[Event], data: st.DataObject
) -> None:
    path = tmp_path / "events.jsonl"
    write(path, history, data.draw(st.binary(min_size=1, max_size=40)).replace(b"\n", b""))
    journal = Journal.read(path)
    machine = replay(journal.events)
    kind, gate = data.draw(st.sampled_from([move for move in ALL_EVENTS if machine.allows(*move)]))
    appended = journal.append(kind, gate)
    assert Journal.read(path).events == [*history, appended]
    assert replay(Journal.read(path).events).state == machine.apply(appended)


@FILES
@given(history=histories(), data=st.data())
def test_an_impossible_history_is_refused_with_its_line_whatever_follows(
    tmp_path: Path, history: list[Event], data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(history)))
    machine = replay(history[:place])
    kind, gate = data.draw(st.sampled_from([move for move in ALL_EVENTS if not machine.allows(*move)]))
    at = "2026-11-20T09:02:00+00:00"
    forged = [*history[:place], Event(place + 1, at, kind, gate)]
    forged += [Event(event.seq + 1, event.at, event.type, event.gate, event.data) for event in history[place:]]
    path = tmp_path / "events.jsonl"
    write(path, forged)
    with pytest.raises(Refusal, match=f"line {place + 1}: .* is not possible in state {machine.state}"):
        replay(Journal.read(path).events, str(path))


@FILES
@given(history=histories(longest=6), data=st.data())
def test_a_flipped_bit_is_refused_with_its_line_and_never_read_as_something_else(
    tmp_path: Path, history: list[Event], data: st.DataObject
) -> None:
    path = tmp_path / "events.jsonl"
    lines = write(path, history)
    number = data.draw(st.integers(0, len(lines) - 1))
    # the newline apart: without it the line is torn, or one with the next
    place = data.draw(st.integers(0, len(lines[number]) - 2))
    damaged = bytearray(lines[number])
    damaged[place] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(b"".join([*lines[:number], bytes(damaged), *lines[number + 1 :]]))
    with pytest.raises(Refusal, match=rf"(line |jsonl:){number + 1}:"):
        Journal.read(path)


def test_no_byte_of_a_journal_can_change_unnoticed(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    written(path)
    whole = path.read_bytes()
    last_line = whole.rfind(b"\n", 0, -1) + 1
    unnoticed = []
    for place, bit in itertools.product(range(len(whole)), (0, 5)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :])
        try:
            Journal.read(path)
        except Refusal:
            continue
        unnoticed.append((place, bit))
    # without its newline the last line is a torn one, which is dropped
    assert {place for place, _ in unnoticed} <= {len(whole) - 1}
    assert len(whole) > last_line > 0


@FILES
@given(history=histories(), data=st.data())
def test_a_line_that_was_taken_out_doubled_or_moved_is_refused(
    tmp_path: Path, history: list[Event], data: st.DataObject
) -> None:
    path = tmp_path / "events.jsonl"
    lines = write(path, history)
    places = st.integers(0, len(lines) - 1)
    place, other = data.draw(places), data.draw(places)
    edits = {
        "doubled": [*lines[: place + 1], *lines[place:]],
        "taken out": [*lines[:place], *lines[place + 1 :]],
        "moved": [*lines[:place], lines[other], *lines[place + 1 :]],
    }
    kind = data.draw(st.sampled_from(sorted(edits)))
    if (kind == "taken out" and place == len(lines) - 1) or (kind == "moved" and place == other):
        return
    path.write_bytes(b"".join(edits[kind]))
    with pytest.raises(Refusal, match="expected event"):
        Journal.read(path)


def test_a_line_without_a_checksum_is_one_of_an_older_run(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"seq": 1, "at": "2026-01-01T00:00:00+00:00", "type": "run_created", "gate": "", "data": {}}\n')
    assert [event.type for event in Journal.read(path).events] == [EventType.RUN_CREATED]


def test_a_full_disk_still_takes_how_a_gate_ended_and_nothing_that_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "events.jsonl"
    journal = written(path)
    keep_reserve(tmp_path)
    real = os.write

    def full(descriptor: int, content: bytes) -> int:
        if (tmp_path / ".reserve").exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(descriptor, content)

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(Refusal, match="no space left"):
        journal.append(EventType.GATE_STARTED, "b")
    assert (tmp_path / ".reserve").exists()
    journal.append(EventType.GATE_CRASHED, "b", sentence="no space left")
    assert [event.type for event in Journal.read(path).events][-1] == EventType.GATE_CRASHED


def test_a_reused_gate_in_an_older_journal_is_read_under_its_new_name(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    for at, (kind, gate) in enumerate([*HISTORY[:3], (EventType.GATE_REUSED, "b")], start=1):
        line = event_line(Event(at, "2026-11-20T09:02:00+00:00", kind, gate))
        body = line.split(', "sum"')[0].replace('"gate_reused"', '"gate_taken_over"') + "}"
        summed = hashlib.sha256(body.encode("utf-8")).hexdigest()[:16]
        with path.open("a", encoding="utf-8") as stream:
            stream.write(f'{body[:-1]}, "sum": "{summed}"}}\n')
    assert "gate_taken_over" in path.read_text(encoding="utf-8")
    history = Journal.read(path).events
    assert history[-1].type == EventType.GATE_REUSED
    assert replay(history, "events.jsonl").state == "c_ready"
