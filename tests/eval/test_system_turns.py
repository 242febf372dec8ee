"""A chat is asked under its own system turn where training and measuring can ask alike, and what is not used is said."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from eval.datasets import public_format, public_tasks
from eval.datasets.chat_format import to_chat
from eval.datasets.formats.system_turns import SystemTurns
from eval.datasets.loading import shuffle_answers
from eval.domains.luanti.domain import DOMAIN
from eval.records import Dataset
from tests.support.luanti import read_rows

BRIEF, LONG = "Be brief.", "Explain each step."


def chat(number: int, system: str) -> dict[str, object]:
    turns = [
        {"role": "user", "content": f"Make the bell chime:bell_{number} with the texture bell_{number}.png."},
        {
            "role": "assistant",
            "content": f'core.register_node("chime:bell_{number}", {{tiles = {{"bell_{number}.png"}}}})',
        },
    ]
    return {"messages": [*([{"role": "system", "content": system}] if system else []), *turns], "family": "scaffold"}


def jsonl(path: Path, rows: Sequence[object]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def read(folder: Path, items: list[str], rows: list[str], choice: SystemTurns = "auto") -> Dataset:
    eval_path = jsonl(folder / "eval.jsonl", [chat(number, system) for number, system in enumerate(items)])
    train_path = jsonl(folder / "train.jsonl", [chat(50 + number, system) for number, system in enumerate(rows)])
    return public_format.read_public(eval_path, train_path, public_tasks.Wanted(0, system_turns=choice), 0, DOMAIN)


def asked_under(dataset: Dataset) -> tuple[list[str], list[str]]:
    return [task.system for task in dataset.tasks], [row.system for row in dataset.rows]


def told(dataset: Dataset) -> list[str]:
    return [remark.value for remark in dataset.remarks if remark.subject == "system turns"]


def test_where_both_files_have_system_turns_each_row_and_item_keeps_its_own(tmp_path: Path) -> None:
    dataset = read(tmp_path, [BRIEF, LONG], [LONG, f" {BRIEF}\n", BRIEF])
    assert asked_under(dataset) == ([BRIEF, LONG], [LONG, BRIEF, BRIEF])
    assert not told(dataset), "training and measuring ask alike"
    [note] = [note for note in dataset.notes if "system turn" in note]
    assert note.endswith("eval.jsonl: system turns in 2 rows, 2 texts; train.jsonl: system turns in 3 rows, 2 texts")


def test_where_one_file_alone_has_them_none_is_used_and_the_override_that_keeps_the_text_is_named(
    tmp_path: Path,
) -> None:
    dataset = read(tmp_path, ["", ""], [BRIEF, "", BRIEF])
    assert asked_under(dataset) == (["", ""], ["", "", ""])
    [remark] = [remark for remark in dataset.remarks if remark.subject == "system turns"]
    assert remark.value == "train.jsonl: system turns in 2 rows, 1 text, are not used"
    assert remark.evidence == ("2 × 'Be brief.'",)
    assert remark.fix == "To have it said in every prompt: 'prompt.system=\"Be brief.\"'"
    [several] = [r for r in read(tmp_path, [""], [BRIEF, LONG, BRIEF]).remarks if r.subject == "system turns"]
    assert several.evidence == ("2 × 'Be brief.'", "1 × 'Explain each step.'")
    assert "into the instructions" in several.fix


def test_items_asked_under_a_text_that_training_does_not_have_are_named(tmp_path: Path) -> None:
    dataset = read(tmp_path, [BRIEF, LONG, ""], [BRIEF, BRIEF])
    assert asked_under(dataset)[0] == [BRIEF, LONG, ""]
    [remark] = [remark for remark in dataset.remarks if remark.subject == "system turns"]
    assert remark.value == "eval items asked under a text that no training row has: 2 of 3"
    assert remark.evidence == ("eval.jsonl:2: 'Explain each step.'", "eval.jsonl:3: prompt.system")


def test_they_can_be_asked_for_and_declined(tmp_path: Path) -> None:
    used = read(tmp_path, [""], [BRIEF], "used")
    assert asked_under(used) == ([""], [BRIEF])
    assert told(used) == ["eval items asked under a text that no training row has: 1 of 1"]
    ignored = read(tmp_path, [BRIEF], [BRIEF], "ignored")
    assert asked_under(ignored) == ([""], [""])
    assert told(ignored) == [
        "eval.jsonl: system turns in 1 row, 1 text; train.jsonl: system turns in 1 row, 1 text, are not used"
    ]


def test_what_prompts_say_is_part_of_the_data_s_digest(tmp_path: Path) -> None:
    digests = {choice: read(tmp_path, [BRIEF], [BRIEF], choice).digest for choice in ("auto", "ignored")}
    assert digests["auto"] != digests["ignored"]


def test_a_chat_keeps_its_system_turn_when_it_is_written_again_and_when_answers_are_shuffled(tmp_path: Path) -> None:
    rows = read_rows(jsonl(tmp_path / "a.jsonl", [chat(1, BRIEF), chat(2, "")]))
    assert [row.system for row in rows] == [BRIEF, ""]
    assert read_rows(jsonl(tmp_path / "b.jsonl", [to_chat(row) for row in rows])) == rows
    assert [row.system for row in shuffle_answers(rows, 0)] == [BRIEF, ""]


@pytest.mark.parametrize("choice", ["auto", "used", "ignored"])
def test_files_without_a_system_turn_have_nothing_to_tell(tmp_path: Path, choice: SystemTurns) -> None:
    dataset = read(tmp_path, ["", ""], [""], choice)
    assert not told(dataset)
    assert not any("system turn" in note for note in dataset.notes)
