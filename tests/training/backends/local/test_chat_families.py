"""Every family is asked, taught and read in its own format: what its own template writes, told by rendering alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from env.refusal import Refusal
from eval.domains.luanti.domain import LUA
from eval.pipeline.extract import extract
from eval.pipeline.loop import completion_after
from eval.pipeline.sampling import SamplingSettings, ThinkingSettings
from eval.pipeline.thoughts import thought_marks
from eval.records import Outcome, Task
from gates.measuring.thinking import marked_thinking
from tests.support.chat_families import FAMILIES, Family, tokenizer_of
from tests.support.settings import prompt_form, sampling_settings, train_settings
from training.backends.base import Completion
from training.backends.local.stopping import completed
from training.backends.local.template.clock import clock_at
from training.backends.local.texts import Texts
from training.backends.local.thinking import ThinkingRows, most_tokens
from training.examples import encode_examples
from training.records import Example

CODE = 'core.register_node("mymod:a", {\n\tlight_source = 7,\n})'
TASK = Task("t", "scaffold", "node", "c", "dev", "Make a lamp.", "", "code", "", ())
FORM = prompt_form("You write Lua.")
NONE = ThinkingSettings(0, "auto", "auto", "auto")
THINKERS = [name for name, family in FAMILIES.items() if family.thought]

# `G` is the answer; what the family's thought holds stands between T and /T.
SHAPES = {
    "bare": "G",
    "bare with a line end": "\nG\n",
    "fenced": "```lua\nG\n```",
    "fenced without a label": "```\nG\n```",
    "a fence after the channel's name": "```lua\nG\n```\n",
    "a sentence, then a fence": "Here is the node:\n\n```lua\nG\n```",
    "a fence, then a sentence": "```lua\nG\n```\nIt glows.",
    "tildes": "~~~lua\nG\n~~~",
    "a fence that is not closed": "```lua\nG",
    "only the closing fence": "G\n```\nThis registers the node.",
    "sentences around": "Here is the code you asked for:\n\nG\n\nThis registers a node with light 7.",
    "a draft, then the longer program": "```lua\nx = 1\n```\nBetter:\n```lua\nG\n```",
    "a thought, then bare": "T We need a node. /TG",
    "a thought with a draft, then a fence": "T Draft:\n```lua\ndraft()\n```\nWait. /T```lua\nG\n```",
    "a thought with quotes, then a fence": "T It's 'mymod:a', isn't it? /T\n```lua\nG\n```",
}


@cache
def texts_of(name: str) -> Texts:
    return FAMILIES[name].texts


def name_of(texts: Texts, token: int) -> str:
    return str(texts.tokenizer.convert_ids_to_tokens(token))


def written(name: str, shape: str, form: Any = FORM, sampling: SamplingSettings | None = None) -> Completion:
    """What a family's model writes in that shape, token by token, as the backends' loops read it."""
    family, texts = FAMILIES[name], texts_of(name)
    opened, closed = family.said
    said = shape.replace("T ", opened).replace(" /T", closed).replace("G", CODE)
    ids = [*texts.control(said), texts.end_token]
    settings = sampling or sampling_settings(0.0, 1.0, 0, 10**6)
    if not settings.thinking.max_tokens:
        return completed(texts, ids, settings)
    rows = ThinkingRows(texts, settings, 1)
    for token in ids:
        rows.follow([0], [token])
        if rows.ended([0])[0]:
            break
    return rows.completion(0)


@pytest.mark.parametrize("name", FAMILIES)
def test_what_stands_around_an_answer_is_found_by_rendering_a_conversation(name: str) -> None:
    family, texts = FAMILIES[name], texts_of(name)
    facts = texts.chat_facts(FORM)
    assert facts is not None
    assert (facts.prefix, facts.known_arguments) == (family.prefix, family.arguments)
    assert name_of(texts, texts.end_token) == family.end
    assert {name_of(texts, token) for token in texts.end_tokens} == {family.end, family.eos, *family.more_ends}
    prompt = texts.chat("Make a lamp.", FORM)
    assert prompt is not None
    assert prompt.endswith(family.prefix)
    assert "You write Lua." in prompt
    assert texts.choices["system text"].startswith("a turn of its own" if family.has_system else "before the task")


@pytest.mark.parametrize("name", FAMILIES)
def test_training_text_is_the_template_s_own_conversation(name: str) -> None:
    """But for DeepSeek-R1, whose conversations leave out the thought that its prompts open."""
    texts = texts_of(name)
    [row] = encode_examples(
        [Example(texts.chat("Make a lamp.", FORM) or "", CODE)], texts, train_settings(max_length=4096)
    ).rows
    system = [{"role": "system", "content": "You write Lua."}] if FAMILIES[name].has_system else []
    user = "Make a lamp." if system else "You write Lua.\n\nMake a lamp."
    turns = [*system, {"role": "user", "content": user}, {"role": "assistant", "content": CODE}]
    with clock_at(FORM.moment):
        whole = texts.tokenizer.apply_chat_template(turns, tokenize=False)
    taught = texts.tokenizer.decode(list(row.ids), skip_special_tokens=False)
    if name == "DeepSeek-R1":
        taught = taught.replace("<think>\n\n</think>\n\n", "")
    if name == "Mistral 7B":
        # the space belongs to the answer's first word
        whole = whole.replace("[/INST] ", "[/INST]")
    assert whole.rstrip("\n") == taught


@pytest.mark.parametrize("name", FAMILIES)
def test_a_thought_is_recognised_where_the_family_has_one(name: str) -> None:
    family, texts = FAMILIES[name], texts_of(name)
    facts, prompt = texts.chat_facts(FORM), texts.chat("Make a lamp.", prompt_form("You write Lua.", thinks=True))
    assert facts is not None
    assert prompt is not None
    assert not family.prefix or not prompt.endswith(family.prefix)
    marks = thought_marks(prompt, facts.prefix, facts.source)
    assert (marks and (marks.opens, marks.closes, marks.forced)) == family.thought


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", FAMILIES)
def test_an_answer_in_every_shape_is_found(name: str, shape: str) -> None:
    thinks = "T " in SHAPES[shape] and name in THINKERS
    form = prompt_form("You write Lua.", thinks=thinks)
    prompt = texts_of(name).chat("Make a lamp.", form) or ""
    completion = completion_after(prompt, written(name, SHAPES[shape]))
    candidate = extract(TASK, completion.text, LUA)
    assert (candidate.code or "").strip() == CODE, (completion.text, candidate)


@pytest.mark.parametrize("name", THINKERS)
def test_a_cut_thought_is_never_executed(name: str) -> None:
    family, texts = FAMILIES[name], texts_of(name)
    said = f"{family.said[0]}We need a node.\n```lua\ndraft()\n```\nwait"
    prompt = texts.chat("Make a lamp.", prompt_form(thinks=True)) or ""
    text = completion_after(prompt, completed(texts, texts.control(said), sampling_settings(0.0, 1.0, 0, 10**6))).text
    candidate = extract(TASK, text, LUA)
    assert (candidate.code, candidate.outcome) == (None, Outcome.NO_CODE)


@pytest.mark.parametrize("name", THINKERS)
def test_a_thought_out_of_budget_is_closed_and_the_answer_still_has_all_its_tokens(name: str) -> None:
    texts = texts_of(name)
    model: Any = SimpleNamespace(apply_chat_template=texts.chat, chat_facts=texts.chat_facts)
    form = prompt_form("You write Lua.", thinks=True)
    asked = sampling_settings(0.0, 1.0, 0, len(texts.answer(CODE)) + 1, thinking=ThinkingSettings(40, *["auto"] * 3))
    thinking = marked_thinking(asked.thinking, model, form)
    sampling = sampling_settings(0.0, 1.0, 0, asked.max_new_tokens, thinking=thinking)
    rows = ThinkingRows(texts, sampling, 1)
    draft = [*texts.control(f"{FAMILIES[name].said[0]}draft() " + "x" * 100), texts.end_token]
    answer, taken = [*texts.answer(CODE), texts.end_token], []
    for step in range(most_tokens(texts, sampling)):
        forced = len(texts.control(thinking.forced))
        drawn = draft[step] if step < 40 + forced else answer[step - 40 - forced]
        taken += rows.follow([0], [drawn])
        if rows.ended([0])[0]:
            break
    completion = completion_after(texts.chat("Make a lamp.", form) or "", rows.completion(0))
    assert (extract(TASK, completion.text, LUA).code or "").strip() == CODE
    assert completion.thought is not None
    assert (completion.thought.cut, completion.finish) == (True, "stop")
    assert completion.answer_tokens <= len(answer)
    assert texts.tokenizer.decode(taken).count(thinking.forced.strip()) == 1


@pytest.mark.parametrize("name", THINKERS)
def test_a_thought_and_an_answer_are_counted_apart(name: str) -> None:
    texts, family = texts_of(name), FAMILIES[name]
    assert family.thought is not None
    sampling = sampling_settings(0.0, 1.0, 0, 500, thinking=ThinkingSettings(500, *family.thought))
    found = written(name, "T We need a node. /TG", sampling=sampling)
    assert found.thought is not None
    assert not found.thought.cut
    between = len(texts.control("".join(family.said) + "We need a node."))
    assert abs(found.thought.tokens - between) <= 3, "but for white space and the token that ends a channel's header"
    assert found.tokens - found.thought.tokens >= len(texts.answer(CODE))
    if family.thought[0] and family.thought[0] != "<|channel|>":
        assert written(name, "G", sampling=sampling).thought is None, "what begins otherwise answers at once"


def test_a_model_whose_template_shows_no_thought_cannot_be_let_think() -> None:
    texts = texts_of("Qwen2.5")
    model: Any = SimpleNamespace(apply_chat_template=texts.chat, chat_facts=texts.chat_facts)
    with pytest.raises(Refusal, match="max_tokens = 9, but the model's chat template shows no thought") as refused:
        marked_thinking(ThinkingSettings(9, "auto", "auto", "auto"), model, FORM)
    assert "sampling.thinking.opens" in refused.value.fix
    named = ThinkingSettings(9, "<t>", "</t>", "</t>")
    assert marked_thinking(named, model, FORM) == named
    assert marked_thinking(NONE, model, FORM) == NONE


@pytest.mark.parametrize(
    ("arguments", "prefix", "idle"),
    [
        ({"enable_thinking": False}, "", ()),
        ({"reasoning_effort": "low"}, "<think>\n\n</think>\n\n", ("reasoning_effort",)),
        ({"reasoning_effort": "low", "enable_thinking": False}, "", ("reasoning_effort",)),
    ],
)
def test_an_argument_changes_the_prompt_or_is_told(arguments: Mapping[str, Any], prefix: str, idle: Any) -> None:
    form = prompt_form(arguments=arguments)
    facts = texts_of("Qwen3, hybrid").chat_facts(form)
    assert facts is not None
    assert (facts.prefix, facts.idle_arguments) == (prefix, idle)
    asked = texts_of("Qwen3, hybrid").chat("x", form) or ""
    assert asked.endswith("<think>\n\n</think>\n\n"), "the prompt is the same either way"


@pytest.mark.parametrize("name", ["messages", "tools", "add_generation_prompt", "tokenize", "chat_template"])
def test_an_argument_that_luagate_sets_is_refused(name: str) -> None:
    with pytest.raises(Refusal, match=f"prompt.template_arguments.{name} is set by luagate"):
        texts_of("Qwen3, hybrid").chat("x", prompt_form(arguments={name: 1}))


def test_an_argument_that_the_template_cannot_render_is_named() -> None:
    family = Family(
        "{{ 1 // level | default(1) }}" + FAMILIES["Qwen2.5"].template, FAMILIES["Qwen2.5"].special, *["<|im_end|>"] * 2
    )
    with pytest.raises(Refusal, match=r"with prompt.template_arguments = \{'level': 0\}: ZeroDivisionError"):
        family.texts.chat("x", prompt_form(arguments={"level": 0}))


@pytest.mark.parametrize(
    ("requested", "prefix", "reason"),
    [
        ("auto", "<|channel|>final<|message|>", "what the chat template writes between a prompt and its answer"),
        ("none", "", "requested; the chat template's own is '<|channel|>final<|message|>'"),
        ("Sure:\n", "Sure:\n", "requested; the chat template's own is '<|channel|>final<|message|>'"),
    ],
)
def test_the_prefix_can_be_overridden_and_its_reason_is_told(requested: str, prefix: str, reason: str) -> None:
    form = prompt_form(answer_prefix=requested)
    texts = texts_of("gpt-oss")
    facts, asked = texts.chat_facts(form), texts.chat("x", form) or ""
    assert facts is not None
    assert (facts.prefix, facts.reason) == (prefix, reason)
    assert asked.endswith(f"<|start|>assistant{prefix}")


def test_the_day_is_the_run_s_whatever_day_it_is() -> None:
    for name, family in FAMILIES.items():
        days = [texts_of(name).chat("x", prompt_form(moment=datetime(2026, 3, day, tzinfo=UTC))) for day in (4, 5)]
        assert (days[0] != days[1]) == family.dated


@pytest.mark.parametrize("package_file", ["transformers"])
def test_a_tokenizer_without_template_keeps_leaving_its_special_tokens_out(package_file: str) -> None:
    tokenizer = tokenizer_of(FAMILIES["gpt-oss"])
    tokenizer.chat_template = None
    texts = Texts(tokenizer, (tokenizer.eos_token_id,))
    assert texts.text(texts.control("<|channel|>final<|message|>x<|end|>")) == "finalx"
    assert (
        texts_of("gpt-oss").text(texts.control("<|channel|>final<|message|>x<|return|>"))
        == "<|channel|>final<|message|>x"
    )


# Released templates as trl ships them, with the prefix and the end that they write.
RELEASED = {
    "gptoss": ("<|channel|>final<|message|>", "<|return|>"),
    "qwen3": ("<think>\n\n</think>\n\n", "<|im_end|>"),
    "qwen3_instruct_2507": ("", "<|im_end|>"),
    "qwen3_5_think": ("\n</think>\n\n", "<|im_end|>"),
    "qwen3_5_nothink": ("", "<|im_end|>"),
    "qwen2_5": ("", "<|im_end|>"),
    "gemma": ("", "<end_of_turn>"),
    "gemma3": ("", "<end_of_turn>"),
    "gemma4": ("", "<turn|>"),
    "llama3_1": ("", "<|eot_id|>"),
    "llama3_2": ("", "<|eot_id|>"),
    "phi3": ("", "<|end|>"),
    "deepseek_r1_distill": ("\n</think>\n\n", "<\uff5cend\u2581of\u2581sentence\uff5c>"),
    "glm4moe": ("\n<think></think>\n", "<eos>"),
    "nemotron_3_nano": ("</think>", "<|im_end|>"),
    "cohere2": ("", "<|END_RESPONSE|>"),
}


@pytest.mark.parametrize("name", RELEASED)
def test_a_released_template_is_read_as_the_small_ones(name: str) -> None:
    found = find_spec("trl")
    path = next(
        (
            Path(folder) / "chat_templates" / f"{name}.jinja"
            for folder in (found.submodule_search_locations or [] if found else [])
        ),
        None,
    )
    if path is None or not path.is_file():
        pytest.skip("trl, which ships released chat templates, is not installed")
    source = path.read_text(encoding="utf-8")
    tokens = re.findall(r"<\|?[A-Za-z_:\uff5c\u2581/]+\|?>|<\uff5c[^>]*>|\[/?[A-Z_]+\]", source)
    family = Family(source, tuple(dict.fromkeys([*tokens, "<eos>", "<bos>"])), "<eos>", "", bos="<bos>")
    facts = family.texts.chat_facts(FORM)
    assert facts is not None
    assert (facts.prefix, name_of(family.texts, family.texts.end_token)) == RELEASED[name]


def draws(said: str, budget: int, length: int, stop: tuple[str, ...] = ()) -> Completion:
    """What a hybrid Qwen3 that thinks has written once its sample is over."""
    texts = texts_of("Qwen3, hybrid")
    thinking = ThinkingSettings(budget, "<think>", "</think>", "\n</think>\n\n")
    rows = ThinkingRows(texts, sampling_settings(0.0, 1.0, 0, length, stop, thinking=thinking), 1)
    for token in texts.control(said):
        rows.follow([0], [token])
        if rows.ended([0])[0]:
            break
    assert rows.ended([0]) == [True]
    return rows.completion(0)


def test_a_model_that_ends_its_turn_inside_a_thought_has_given_no_answer() -> None:
    found = draws("<think>I give up.<|im_end|>", 500, 10)
    assert found.thought is not None
    assert (found.text, found.finish, found.tokens - found.thought.tokens) == (
        "<think>I give up.",
        "stop",
        0,
    )
    assert extract(TASK, found.text, LUA).outcome is Outcome.NO_CODE


def test_a_stop_string_and_the_answer_s_limit_do_not_count_in_a_thought() -> None:
    said = "<think>Draft:\n```\nx = 1\n```\nmore</think>return 1\n```\nBye"
    stopped = draws(said, 500, 100, ("\n```\n",))
    assert (stopped.text.endswith("more</think>return 1"), stopped.finish) == (True, "stop")
    limited = draws(said, 500, 6)
    assert (limited.text.endswith("</think>return"), limited.finish) == (True, "length")


def test_an_answer_without_a_thought_has_its_own_limit_only() -> None:
    found = draws("return 1" + " " * 50, 4, 30)
    assert (found.thought, found.tokens, found.finish) == (None, 30, "length")
