"""A row that is one turn of a conversation becomes an example by the model's own template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from env.refusal import Refusal
from eval.pipeline.prompts import PromptForm
from eval.records import Call, Dialogue, Row, Turn
from gates.measuring.prompting import examples_of
from training.backends.base import RenderedTurn
from training.records import Example

FORM = PromptForm("Be brief.", datetime(2024, 7, 26, tzinfo=UTC), {}, "auto", True)
LOOK, DIG = Call("look", {}), Call("dig", {"depth": 2})
BEFORE = (
    Turn("user", "Dig."),
    Turn("assistant", "", (LOOK, DIG)),
    Turn("tool", "earth", name="look"),
    Turn("tool", "dug"),
)
ROW = Row("Dig.", "", "Done.", "scaffold", line=7, dialogue=Dialogue(BEFORE, Turn("assistant", "Done."), ({"t": 1},)))

WRITTEN = RenderedTurn("PROMPT", "ANSWER", True, True)


@dataclass
class Speaker:
    """Writes turns down as they are given."""

    turn: RenderedTurn | None = WRITTEN
    refusal: Refusal | None = None
    given: list[tuple[Any, ...]] = field(default_factory=list)

    def apply_chat_template(self, user: str, form: PromptForm) -> str:
        return f"<{form.system}|{user}>"

    def chat_turn(
        self, before: Sequence[Mapping[str, Any]], answer: Mapping[str, Any], tools: Sequence[Any], form: PromptForm
    ) -> RenderedTurn | None:
        self.given.append((before, answer, tools, form))
        if self.refusal is not None:
            raise self.refusal
        return self.turn


def test_a_turn_is_given_with_arguments_as_objects_and_each_result_with_the_call_it_answers() -> None:
    model = Speaker()
    [example] = examples_of([ROW], model, FORM)  # type: ignore[arg-type]
    assert example == Example("PROMPT", "ANSWER", "line 7", True, True)
    [(before, answer, tools, form)] = model.given
    asked, calling, first, second = before
    assert asked == {"role": "user", "content": "Dig."}
    assert [call["function"] for call in calling["tool_calls"]] == [
        {"name": "look", "arguments": {}}, {"name": "dig", "arguments": {"depth": 2}},
    ]  # fmt: skip
    assert [first["tool_call_id"], second["tool_call_id"]] == [call["id"] for call in calling["tool_calls"]]
    assert (first["name"], answer["content"], tools, form.thinks) == ("look", "Done.", ({"t": 1},), False)


def test_what_the_template_cannot_write_is_told_with_the_row() -> None:
    for model, says in (
        (
            Speaker(refusal=Refusal("The chat template drops calls.", "Fix.")),
            "Training line 7: The chat template drops",
        ),
        (Speaker(turn=None), "Training line 7 is one turn of a conversation, and the model has no chat template"),
    ):
        with pytest.raises(Refusal, match=says):
            examples_of([ROW], model, FORM)  # type: ignore[arg-type]


def test_a_plain_text_has_no_prompt_and_other_rows_are_asked_as_before() -> None:
    rows = [Row("", "", "Text.", "scaffold", line=1), Row("Dig.", "x", "y", "scaffold", line=2, system="Long.")]
    plain, asked = examples_of(rows, Speaker(), FORM)  # type: ignore[arg-type]
    assert (plain.prompt, plain.answer) == ("", "Text.")
    assert asked.prompt == "<Long.|Dig.\n\nx>"
