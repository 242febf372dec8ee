"""The same answer in every wrapping that models give it is judged as the same program; a cut thought is no answer."""

from __future__ import annotations

import pytest

from eval.pipeline.thoughts import left_open
from eval.records import Outcome, Task
from tests.support.luanti import extract

CODE = 'core.register_node("mymod:a", {\n\tlight_source = 7,\n})'
DIFF = "--- a/init.lua\n+++ b/init.lua\n@@ -1,1 +1,1 @@\n-x = 1\n+x = 2"
DRAFT = "Okay, I need\n```lua\ndraft()\n```\nwait"


def task(answer: str = "code") -> Task:
    return Task("t", "repair", "k", "c", "dev", "Do it.", "x = 1\n", answer, "", ())  # type: ignore[arg-type]


# `G` is the answer: a program, or a diff, whose label is `L`.
WRAPPINGS = {
    "only the closing fence": "G\n```\n",
    "the closing fence, then a sentence": "G\n```\nThis registers the node.",
    "the closing fence, then words without a full stop": "G\n```\nEnjoy",
    "the closing fence, then another block": "G\n```\nTry it with:\n```bash\nluanti --server\n```",
    "a sentence, then only the closing fence": "Here it is:\n\nG\n```\nDone.",
    "an opening fence after words": "Here is the code: ```L\nG\n```",
    "an opening fence without label after words": "Here is the code: ```\nG\n```",
    "an opening fence after a number": "1. ```L\nG\n```",
    "an opening fence after a dash": "- ```L\nG\n```\n",
    "an opening fence after two dashes": "Here you go -- ```L\nG\n```",
    "an opening fence after bold text": "**Answer:** ```L\nG\n```",
    "an opening fence after a word with an apostrophe": "Here's what you'd write: ```L\nG\n```",
    "an opening fence glued to a word": "final```L\nG\n```",
    "a closing fence glued to the last line": "```L\nG```",
    "a glued closing fence, then a sentence": "```L\nG``` This registers the node.",
    "a closing fence with words behind it": "```L\nG\n``` This registers the node.\nIt glows.",
    "a block that the next one ends": "```L\nG\n```text\nexpected output\n```",
    "an unlabelled block after a sentence without full stop": "Here's the answer\n```\nG\n```",
    "an unlabelled block that is not closed": "The answer is this\n```\nG",
    "tildes": "~~~L\nG\n~~~\nDone.",
    "a longer fence": "````L\nG\n````",
    "a block with a Windows line end": "```L\r\nG\r\n```\r\n",
    "a block, then the end of the turn": "```L\nG\n```<|im_end|>\n<|im_start|>user\nAnother one```",
    "a header of the turn": "<|start_header_id|>assistant<|end_header_id|>\n\nG<|eot_id|>",
    "the next user's turn": "G\n<|im_start|>user\nRegister another one.",
    "Gemma's next turn": "G<turn|>\n<|turn>user\nRegister another one.",
    "a thought in Mistral's tags": "[THINK]Hm.\n```lua\ndraft()\n```[/THINK]```L\nG\n```",
    "a thought in Seed's tags": "<seed:think>Hm.</seed:think>\nG",
    "a thought in <thinking>": "<thinking>Hm.</thinking>\n```L\nG\n```",
    "a thought in Gemma's channel": "<|channel>thought\nHm.<channel|>G",
    "two thoughts": "<think>One.</think>\n<think>Two.</think>\nG",
    "a thought that the prompt opened": f"{DRAFT}\n</think>\n\nG",
    "a thought after the answer": "```L\nG\n```\n<think>Was that right",
    "harmony's final channel without its tokens": "analysisWe need a node.assistantfinalG",
}


def wrapped(text: str, kind: str) -> str:
    answer, label = (CODE, "lua") if kind == "code" else (DIFF, "diff")
    return text.replace("G", answer).replace("```L", f"```{label}").replace("~~~L", f"~~~{label}")


@pytest.mark.parametrize("kind", ["code", "diff"])
@pytest.mark.parametrize("name", WRAPPINGS)
def test_the_answer_is_found_in_every_wrapping(name: str, kind: str) -> None:
    candidate = extract(task(kind), wrapped(WRAPPINGS[name], kind))
    assert candidate.code is not None, (candidate.rule, candidate.detail)
    assert candidate.code.replace("\r", "").strip() == (CODE if kind == "code" else "x = 2")


@pytest.mark.parametrize(
    "text",
    [
        f"<think>\n{DRAFT}",
        f"[THINK]{DRAFT}",
        f"<thinking>{DRAFT}",
        f"<seed:think>{DRAFT}",
        f"<|channel>thought\n{DRAFT}",
        f"<|channel|>analysis<|message|>{DRAFT}",
        f"<|channel|>analysis<|message|>{DRAFT}<|end|><|start|>assistant<|channel|>commentary<|message|>{CODE}",
        f"analysisWe need a node. {DRAFT}",
        f"<think>One.</think>\n<think>{DRAFT}",
        f"Sure.\n<think>{DRAFT}",
    ],
)
@pytest.mark.parametrize("kind", ["code", "diff"])
def test_a_draft_in_a_thought_that_was_cut_off_is_no_answer(text: str, kind: str) -> None:
    candidate = extract(task(kind), text)
    assert (candidate.code, candidate.outcome) == (None, Outcome.NO_CODE)
    assert candidate.detail == "the model never reached its answer"


@pytest.mark.parametrize(
    ("prompt", "tag"),
    [
        ("<|im_start|>assistant\n<think>\n", "<think>\n"),
        ("[/INST][THINK]", "[THINK]"),
        ("assistant\n<seed:think>", "<seed:think>"),
        ("<|start|>assistant<|channel|>analysis<|message|>", "<|channel|>analysis<|message|>"),
        ("<|turn>model\n<|channel>thought\n", "<|channel>thought\n"),
        ("<|im_start|>assistant\n<think>\n\n</think>\n\n", ""),
        ("<|start|>assistant<|channel|>final<|message|>", ""),
        ("Write what stands between <think> and </think>.\n### Response:\n", ""),
    ],
)
def test_the_prompt_shows_whether_it_left_a_thought_open(prompt: str, tag: str) -> None:
    assert left_open(prompt) == tag


def test_what_a_prompt_opened_is_a_cut_thought_unless_it_is_closed() -> None:
    opened = left_open("<|im_start|>assistant\n<think>\n")
    assert extract(task(), opened + DRAFT).outcome is Outcome.NO_CODE
    assert extract(task(), f"{opened}{DRAFT}</think>{CODE}").code == CODE


PROGRAMS = [
    'local tag = "<s>Tool</s>"',
    'core.chat_send_all("<|player|>")',
    "local where = '[INST] and [/INST]'",
    'local shut = "</think>"',
    'local open = "<think>"',
    "local ends = { '<|im_end|>', '<end_of_turn>', '<|return|>' }",
    "local long = [[\n<|im_start|>user\n</s>\n]]",
    "-- cut at <|endoftext|>\nreturn 1",
    "--[[\n<think>\n]]\nreturn 1",
    "return items[INST]",
    'local help = [[\n```\n/home\n```\n]]\ncore.log("info", help)',
    "local channel = '<|channel|>'\nlocal x = 1",
    "analysis = {}\nanalysisResult = 1",
    "local finalcore = 1",
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_markers_inside_a_program_stay(program: str) -> None:
    for text in (program, f"<think>Hm.</think>{program}", f"{program}<|im_end|>\n<|im_start|>user\nMore."):
        candidate = extract(task(), text)
        assert candidate.code is not None
        assert candidate.code.strip() == program
    fenced = extract(task(), f"Here it is:\n```lua\n{program}\n```\nDone.")
    assert (fenced.code, fenced.rule) == (f"{program}\n", "fence")


@pytest.mark.parametrize("text", ["Like this: ```lua x = 1```", "Use ```x = 1``` here.", "1. ~~~x = 1~~~"])
def test_a_block_may_be_on_one_line(text: str) -> None:
    assert extract(task(), text).code == "x = 1"


def test_a_block_of_another_language_is_no_rival() -> None:
    text = f"```bash\nmkdir a_folder_with_a_long_name && cd a_folder_with_a_long_name\n```\n{CODE}\n```\nThat is all."
    assert (extract(task(), text).code or "").strip() == CODE
