"""A chat of several turns becomes a row for each answer, and its thoughts are kept, stripped or required."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from env.refusal import Refusal
from eval.datasets.formats.rows import read_rows, read_source
from eval.datasets.formats.rules import RowRules
from eval.datasets.public_format import read_public
from eval.datasets.public_tasks import Wanted
from eval.domains.luanti.domain import DOMAIN
from eval.domains.roblox.domain import DOMAIN as ROBLOX
from eval.records import Call, Row, Turn

LAMP = 'core.register_node("garden:lamp", {tiles = {"lamp.png"}})'
CALLING = {"role": "assistant", "content": "I look.", "tool_calls": [{"function": {"name": "look", "arguments": "{}"}}]}


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def said(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


LONG = [
    {"role": "system", "content": "Be brief."},
    user("Where?"),
    CALLING,
    {"role": "tool", "content": "in the garden"},
    said("<think>So it is.</think>In the garden."),
    user("Make a lamp."),
    said(LAMP),
]


def read(tmp_path: Path, *chats: list[dict[str, Any]], **rules: Any) -> tuple[Row, ...]:
    path = tmp_path / "a.jsonl"
    rows = [{"messages": chat, "tools": [{"type": "function"}], "kind": "lamps"} for chat in chats]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return read_rows(path, DOMAIN.families, rules=RowRules(**({"family": "scaffold", "turns": "auto"} | rules))).rows


def test_every_answer_of_a_longer_chat_is_a_row_with_all_that_was_said_before(tmp_path: Path) -> None:
    first, second, third = read(tmp_path, LONG)
    assert [row.instruction for row in (first, second, third)] == ["Where?", "Where?", "Make a lamp."]
    assert first.output == 'I look.\n[{"name": "look", "arguments": {}}]'
    assert {(row.system, row.family, row.kind, row.line) for row in (first, second, third)} == {
        ("Be brief.", "scaffold", "lamps", 1)
    }
    assert first.dialogue is not None
    assert first.dialogue.answer == Turn("assistant", "I look.", (Call("look", {}),))
    assert third.dialogue is not None
    assert [turn.role for turn in third.dialogue.before] == ["user", "assistant", "tool", "assistant", "user"]
    assert third.dialogue.tools == ({"type": "function"},)


def test_a_chat_of_one_question_is_one_row_unless_every_turn_is_asked_for(tmp_path: Path) -> None:
    short = LONG[:5]
    [joined] = read(tmp_path, short)
    assert joined.dialogue is None
    assert joined.output.endswith('[{"name": "look", "arguments": {}}]')
    assert len(read(tmp_path, short, turns="every")) == 2
    with pytest.raises(Refusal, match="it has more than one question"):
        read(tmp_path, LONG, turns="joined")


BROKEN = {
    "it does not begin with a question of the user": [said("x"), user("a"), user("b")],
    "a turn of the system stands within it": [user("a"), LONG[0], user("b"), said("x")],
    "a question of it is empty": [user("a"), said("x"), user(" "), said("y")],
    "it has no answer": [user("a"), user("b")],
}


@pytest.mark.parametrize("reason", BROKEN)
def test_a_longer_chat_that_is_none_is_named_with_its_line(tmp_path: Path, reason: str) -> None:
    with pytest.raises(Refusal, match=f"line 2: {reason}"):
        read(tmp_path, LONG, BROKEN[reason])


def test_thoughts_are_kept_stripped_or_required(tmp_path: Path) -> None:
    thinking, bare, only = (
        [user("a?"), said("<think>Hm.</think>\n\nx = 1")],
        [user("b?"), said("<think>\n\n</think>\n\ny = 2")],
        [user("c?"), said("<think>Hm.</think> z")],
    )
    assert [row.output[:7] for row in read(tmp_path, thinking, bare)] == ["<think>", "<think>"]
    assert [row.output for row in read(tmp_path, thinking, bare, thoughts="stripped")] == ["x = 1", "y = 2"]
    assert [row.line for row in read(tmp_path, thinking, bare, only, thoughts="required")] == [1, 3]
    stripped = read(tmp_path, LONG, thoughts="stripped")
    assert stripped[1].output == "In the garden."
    assert stripped[2].dialogue is not None
    assert stripped[2].dialogue.before[3].text == "In the garden."


def test_rows_that_a_rule_on_thoughts_leaves_out_are_counted_with_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    rows = [{"instruction": "a", "output": text} for text in ("x", "<think>a</think>y", "<think>b</think>")]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    found = read_rows(path, DOMAIN.families, rules=RowRules(family="doc", thoughts="required"))
    assert [remark.value for remark in found.remarks] == ["a.jsonl: 1 of 3 rows are not used: they have no thought"]
    assert found.remarks[0].evidence == ("lines 1",)
    found = read_rows(path, DOMAIN.families, rules=RowRules(family="doc", thoughts="stripped"))
    assert [row.line for row in found.rows] == [1, 2]
    assert "nothing is left of them" in found.remarks[0].value


def test_public_chats_of_several_questions_train_on_every_answer(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"messages": LONG, "category": "config", "source": "lamps"}) + "\n", encoding="utf-8")
    rows = read_source(path, ROBLOX, (), RowRules(turns="auto")).rows
    assert [(row.family, row.kind) for row in rows] == [("tools", "config")] * 3
    joined = read_source(path, ROBLOX)
    assert (joined.rows, joined.remarks[0].subject) == ((), "rows left out")


def test_what_a_rule_changes_of_the_rows_changes_the_digest_and_nothing_else_does(tmp_path: Path) -> None:
    items, train = tmp_path / "eval.jsonl", tmp_path / "train.jsonl"
    item = {
        "instruction": "Register a node garden:lamp with the texture lamp.png.",
        "output": LAMP,
        "family": "scaffold",
    }
    items.write_text(json.dumps(item) + "\n", encoding="utf-8")

    def digest(rows: list[dict[str, Any]], rules: RowRules) -> str:
        train.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return read_public(items, train, Wanted(0, rules=rules), 0, DOMAIN).digest

    short = [{"messages": [user("a?"), said("x = 1")], "family": "doc"}]
    plain = digest(short, RowRules())
    assert digest(short, RowRules(turns="auto")) == plain, "an existing run's data are as they were"
    assert digest(short, replace(RowRules(), thoughts="stripped")) != plain
    long = [{"messages": LONG, "family": "doc"}]
    assert digest(long, RowRules(turns="auto")) == digest(long, RowRules(turns="every"))
