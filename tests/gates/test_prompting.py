"""A run's prompts are rendered once, stored whole, and the same in every later gate, on whatever day it runs."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from env.refusal import Refusal
from eval.pipeline.prompts import PromptForm, plain_template, render
from eval.records import Row, Task
from gates.measuring.prompting import (
    examples_of,
    prompts_file,
    read_prompts,
    recorded_form,
    require_same_prompts,
    require_same_training_prompts,
    store_prompts,
)
from gates.report.results import PromptFacts
from tests.gates.test_measuring import approved
from tests.support.run_edits import edit_json
from tests.support.settings import prompt_form

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
FORM = prompt_form("Lua.", NOON)
TASKS = [
    Task(name, "scaffold", "node", name, "dev", f"Make a {name}.", "", "code", "", ()) for name in ("lamp", "door")
]
ROWS = [Row("Make a chair.", "", "return 1", "scaffold")]


@dataclass
class Speaker:
    """A model with a template that prints the date, or has changed."""

    written: str = "{moment:%d %b}|{system}|{user}>"

    def apply_chat_template(self, user: str, form: PromptForm) -> str | None:
        return self.written.format(user=user, system=form.system, moment=form.moment) if self.written else None


def store(folder: Path, model: Any, form: PromptForm = FORM) -> PromptFacts:
    examples = examples_of(ROWS, model, form)
    return store_prompts(folder / "gate_a" / "prompts.jsonl", TASKS, examples, model, form)


def test_every_prompt_is_stored_as_the_model_reads_it(tmp_path: Path) -> None:
    facts = store(tmp_path, Speaker())
    assert read_prompts(tmp_path) == {"door": "01 Mar|Lua.|Make a door.>", "lamp": "01 Mar|Lua.|Make a lamp.>"}
    assert (facts.system, facts.moment) == ("Lua.", "2026-03-01T12:00:00+00:00")
    assert read_prompts(tmp_path / "none") == {}


def test_what_changes_a_prompt_changes_the_digest_and_the_stored_bytes_and_nothing_else_does(tmp_path: Path) -> None:
    def bytes_and_digests(model: Any, form: PromptForm) -> tuple[bytes, str, str]:
        facts = store(tmp_path, model, form)
        return (tmp_path / "gate_a" / "prompts.jsonl").read_bytes(), facts.digest, facts.training_digest

    later = prompt_form("Lua.", datetime(2026, 3, 2, 1, 0, tzinfo=UTC))
    undated = Speaker("{system}|{user}>")
    assert bytes_and_digests(undated, FORM) == bytes_and_digests(undated, later)
    plain = Speaker("")
    assert bytes_and_digests(plain, FORM) == bytes_and_digests(plain, prompt_form("Other.", NOON))
    for changed in (later, prompt_form("Other.", NOON)):
        before, after = bytes_and_digests(Speaker(), FORM), bytes_and_digests(Speaker(), changed)
        assert all(one != other for one, other in zip(before, after, strict=True))


def test_a_model_without_a_template_reads_the_plain_layout_and_no_system_text() -> None:
    assert render("Make.", "x = 1", Speaker("").apply_chat_template, FORM) == plain_template("Make.", "x = 1")


def test_a_task_and_a_row_of_a_chat_are_asked_under_their_own_system_turn(tmp_path: Path) -> None:
    own = replace(TASKS[0], system="Be brief.")
    store_prompts(tmp_path / "gate_a" / "prompts.jsonl", [own, TASKS[1]], [], Speaker(), FORM)
    assert read_prompts(tmp_path) == {"door": "01 Mar|Lua.|Make a door.>", "lamp": "01 Mar|Be brief.|Make a lamp.>"}
    rows = [ROWS[0], replace(ROWS[0], system="Be brief.")]
    asked = [example.prompt for example in examples_of(rows, Speaker(), FORM)]
    assert asked == ["01 Mar|Lua.|Make a chair.>", "01 Mar|Be brief.|Make a chair.>"]


def test_a_later_gate_renders_with_the_recorded_moment_and_refuses_other_text(tmp_path: Path) -> None:
    context = approved(tmp_path)
    facts = store(context.run_dir, Speaker())

    def record(report: Any) -> None:
        report["results"]["probe"]["prompts"] = facts.model_dump()

    edit_json(context.run_dir / "gate_a" / "report.json", record)
    form = recorded_form(context)
    assert form == FORM
    require_same_prompts(context, TASKS, Speaker(), form)
    require_same_training_prompts(context, examples_of(ROWS, Speaker(), form))
    other = Speaker("{moment:%d %b}|{system}|{user}\n>")
    with pytest.raises(Refusal, match="The prompt of door is no longer the text that Gate A stored"):
        require_same_prompts(context, TASKS, other, form)
    with pytest.raises(Refusal, match="A training prompt is no longer"):
        require_same_training_prompts(context, examples_of(ROWS, other, form))


def test_a_run_whose_gate_a_stored_none_is_refused_and_a_damaged_file_is_named(tmp_path: Path) -> None:
    context = approved(tmp_path)
    with pytest.raises(Refusal, match="stored no prompts") as refused:
        recorded_form(context)
    assert "rewind A" in refused.value.fix
    prompts_file(context).write_text("[1]\n", encoding="utf-8")
    with pytest.raises(Refusal, match=r"prompts\.jsonl: not the prompts of a run"):
        read_prompts(context.run_dir)


def test_no_line_of_the_file_is_anything_but_a_prompt_or_the_training_digest(tmp_path: Path) -> None:
    facts = store(tmp_path, Speaker())
    lines = [json.loads(line) for line in (tmp_path / "gate_a" / "prompts.jsonl").read_text().splitlines()]
    assert [sorted(line) for line in lines] == [["prompt", "task_id"]] * 2 + [["digest", "training_prompts"]]
    assert lines[-1] == {"training_prompts": 1, "digest": facts.training_digest}
