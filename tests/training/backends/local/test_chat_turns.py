"""One turn of a conversation is what the template writes after its own prompt; a template that cannot is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from env.refusal import Refusal
from eval.pipeline.prompts import PromptForm
from tests.support.chat_families import FAMILIES, Family
from training.backends.local.texts import Texts

FORM = PromptForm("Be brief.", datetime(2024, 7, 26, tzinfo=UTC), {}, "auto", False)
BEFORE = [
    {"role": "user", "content": "Hi?"},
    {"role": "assistant", "content": "Hello."},
    {"role": "user", "content": "Lamp?"},
]
SAID = {"role": "assistant", "content": "Lit."}
CALLING = {
    "role": "assistant",
    "content": "",
    "tool_calls": [{"type": "function", "id": "call00001", "function": {"name": "light", "arguments": {"glow": "x"}}}],
}
SPECIAL = ("<|im_start|>", "<|im_end|>", "<|call|>")
# As Qwen2.5 writes calls; `ending` stands for what ends a turn that calls.
CALLS = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}"
    "{% for c in m.tool_calls or [] %}<tool_call>\n{{ c.function.name }} {{ c.function.arguments | tojson }}\n</tool_call>{% endfor %}"
    "ENDING{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
PLAIN_END, OWN_END = "<|im_end|>\n", "{% if m.tool_calls %}<|call|>{% else %}<|im_end|>\n{% endif %}"


def texts(template: str) -> Texts:
    return Family(template, SPECIAL, "<|im_end|>", "<|im_end|>").texts


@pytest.mark.parametrize("name", sorted(set(FAMILIES) - {"DeepSeek-R1"}))
def test_an_answer_of_any_family_is_its_text_and_the_prompt_is_what_generation_would_begin_with(name: str) -> None:
    model = FAMILIES[name].texts
    turn = model.chat_turn(BEFORE, SAID, (), FORM)
    assert turn is not None
    assert (turn.answer, turn.is_written, turn.is_ended) == ("Lit.", False, False)
    assert turn.prompt.index("Be brief.") < turn.prompt.index("Hello.") < turn.prompt.index("Lamp?")
    one = model.chat_turn(BEFORE[-1:], SAID, (), FORM)
    assert one is not None
    assert one.prompt == model.chat("Lamp?", FORM), "a chat of one question asks as a row of one does"


def test_a_template_whose_conversation_does_not_begin_with_its_prompt_is_refused() -> None:
    with pytest.raises(Refusal, match="writes another conversation than its own prompt begins"):
        FAMILIES["DeepSeek-R1"].texts.chat_turn(BEFORE, SAID, (), FORM)


@pytest.mark.parametrize("name", ["Llama 3", "Phi-3", "Gemma 3"])
def test_a_template_that_drops_calls_is_refused_even_where_they_lie_behind(name: str) -> None:
    model = FAMILIES[name].texts
    told = {"role": "tool", "content": "lit", "tool_call_id": "call00001"}
    for before, answer in ((BEFORE, CALLING), ([BEFORE[0], CALLING, told], SAID)):
        with pytest.raises(Refusal, match="drops calls"):
            model.chat_turn(before, answer, (), FORM)
    assert model.chat_turn(BEFORE, SAID, (), FORM) is not None


def test_a_call_is_learnt_as_the_template_writes_it_and_ends_as_an_answer_does_or_in_its_own_way() -> None:
    call = '<tool_call>\nlight {"glow": "x"}\n</tool_call>'
    usual = texts(CALLS.replace("ENDING", PLAIN_END)).chat_turn(BEFORE, CALLING, (), FORM)
    assert usual is not None
    assert (usual.answer, usual.is_written, usual.is_ended) == (call, True, False)
    own = texts(CALLS.replace("ENDING", OWN_END)).chat_turn(BEFORE, CALLING, (), FORM)
    assert own is not None
    assert (own.answer, own.is_ended) == (f"{call}<|call|>", True)


def test_an_answer_beside_a_call_that_spells_a_token_is_refused() -> None:
    spelled = CALLING | {"content": "Now <|im_end|>."}
    with pytest.raises(Refusal, match=r"holds <\|im_end\|>, which the chat template would write as a token"):
        texts(CALLS.replace("ENDING", PLAIN_END)).chat_turn(BEFORE, spelled, (), FORM)


def test_without_a_chat_template_there_is_no_turn() -> None:
    model = texts(CALLS)
    model._template = None
    assert model.chat_turn(BEFORE, SAID, (), FORM) is None


RELEASED = {
    "qwen3": '<tool_call>\n{"name": "light", "arguments": {"glow": "x"}}\n</tool_call>',
    "llama3_1": '{"name": "light", "parameters": {"glow": "x"}}',
    "gptoss": ' to=functions.light<|channel|>commentary json<|message|>{"glow": "x"}<|call|>',
    "gemma4": '<|tool_call>call:light{glow:<|"|>x<|"|>}<tool_call|><|tool_response>',
}
TOKENS = (
    *("<|im_start|>", "<|im_end|>", "<|eot_id|>", "<|start|>", "<|end|>", "<|message|>", "<|channel|>"),
    *("<|return|>", "<|call|>", "<turn|>", "<|turn>"),
)


@pytest.mark.skipif(find_spec("trl") is None, reason="trl, which ships released chat templates, is not installed")
@pytest.mark.parametrize("name", RELEASED)
def test_released_templates_write_calls_that_can_be_trained_on(name: str) -> None:
    import trl

    source = Path(trl.__file__).parent / "chat_templates" / f"{name}.jinja"
    described: list[dict[str, Any]] = [
        {
            "type": "function",
            "function": {
                "name": "light",
                "description": "Lights.",
                "parameters": {"type": "object", "properties": {"glow": {"type": "string", "description": "How."}}},
            },
        }
    ]
    model = Family(source.read_text(encoding="utf-8"), TOKENS, "<|im_end|>", "<|im_end|>").texts
    turn = model.chat_turn(BEFORE, CALLING, described, FORM)
    assert turn is not None
    assert turn.answer == RELEASED[name]
