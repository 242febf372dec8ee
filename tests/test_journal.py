"""The journal survives torn tails and refuses anything else that is not a history."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from env.refusal import Refusal
from runner.journal import EventType, Journal

HISTORY = [
    (EventType.RUN_CREATED, ""),
    (EventType.GATE_STARTED, "a"),
    (EventType.GATE_PASSED, "a"),
    (EventType.GATE_STARTED, "b"),
]


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
            "line 3: event number 7 stands where 3",
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
