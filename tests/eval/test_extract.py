"""Extraction finds the program in whatever a model wraps around it, and says which rule did."""

from __future__ import annotations

import re
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.domains.luanti.domain import LUA
from eval.pipeline import extract as extraction
from eval.records import Outcome, Task
from tests.support.luanti import extract

CODE = 'core.register_node("mymod:a", {\n\tlight_source = 7,\n})'
DIFF = "--- a/init.lua\n+++ b/init.lua\n@@ -1,1 +1,1 @@\n-x = 1\n+x = 2"


def task(answer: str = "code", source: str = "x = 1\n") -> Task:
    return Task("t", "repair", "k", "c", "dev", "Do it.", source, answer, "", ())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (CODE, "bare"),
        (CODE + "\n", "bare"),
        (f"```lua\n{CODE}\n```", "fence"),
        (f"```\n{CODE}\n```", "fence"),
        (f"~~~lua\n{CODE}\n~~~", "fence"),
        (f"Here is the mod:\n\n```lua\n{CODE}\n```\nIt registers a node.", "fence"),
        (f"```lua\n{CODE}", "fence-open"),
        (f"```lua\n{CODE}\n```<|im_end|>\n<|im_start|>user\nthanks", "fence"),
        (f"{CODE}<|im_end|>", "bare"),
        (f"{CODE}</s>", "bare"),
        (f"{CODE}<end_of_turn>\nmore", "bare"),
        (f"<think>A node with light.\n```lua\nx = 1\n```\n</think>\n```lua\n{CODE}\n```", "think+fence"),
        (f"Some thoughts.</think>\n{CODE}", "think+bare"),
        (
            f"<|channel|>analysis<|message|>Think.<|end|><|start|>assistant<|channel|>final<|message|>{CODE}<|return|>",
            "harmony+bare",
        ),
        (
            f"<|channel|>analysis<|message|>x<|end|><|start|>assistant<|channel|>final <|constrain|>lua<|message|>```lua\n{CODE}\n```<|return|>",
            "harmony+fence",
        ),
        (f"analysisWe need a node.assistantfinal{CODE}", "harmony+bare"),
        (f"Here is the code you asked for:\n\n{CODE}\n\nThis registers a node with light 7.", "prose"),
        (
            f"```bash\ncd mods && mkdir a_very_long_folder_name_for_this_mod_that_is_longer_than_the_code_itself_by_far\n```\n```lua\n{CODE}\n```",
            "fence",
        ),
        (f"```lua\nx = 1\n```\nBetter:\n```lua\n{CODE}\n```", "fence-longest"),
    ],
)
def test_the_program_is_found_and_the_rule_is_named(text: str, rule: str) -> None:
    candidate = extract(task(), text)
    assert candidate.rule == rule
    assert candidate.code is not None
    assert candidate.code.strip() == CODE
    assert candidate.outcome is None


def test_of_equally_long_programs_the_last_one_counts() -> None:
    candidate = extract(task(), "```lua\nx = 1\n```\nNo:\n```lua\nx = 2\n```")
    assert (candidate.code, candidate.rule) == ("x = 2\n", "fence-longest")


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("", "the model wrote nothing"),
        (" \n\t\n", "the model wrote nothing"),
        ("<|im_end|>", "the model wrote no code"),
        ("```lua\n```", "the fenced block is empty"),
        ("<think>I wonder", "the model never reached its answer"),
        ("<|channel|>analysis<|message|>I wonder about", "the model never reached its answer"),
    ],
)
def test_no_code_says_why(text: str, detail: str) -> None:
    candidate = extract(task(), text)
    assert (candidate.code, candidate.outcome, candidate.detail) == (None, Outcome.NO_CODE, detail)


def test_code_without_sentences_is_taken_unchanged() -> None:
    text = "\n-- My mod.\nlocal S = core.get_translator('mymod')\n\nfoo bar baz\n"
    assert extract(task(), text).code == text


def test_a_comment_that_reads_like_a_sentence_is_code() -> None:
    text = "-- This registers a node.\nx = 1\n--[[\nIt has a light. \n]]\ny = 2\n"
    assert extract(task(), text).code == text


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (DIFF, "bare"),
        (f"```diff\n{DIFF}\n```", "fence"),
        (f"The fix:\n\n{DIFF}\n", "prose"),
        (f"```lua\nx = 2\n```\nAs a diff:\n```diff\n{DIFF}\n```", "fence"),
        ("-x = 1\n+x = 2", "bare"),
    ],
)
def test_a_diff_task_gets_its_input_with_the_diff_applied(text: str, rule: str) -> None:
    candidate = extract(task("diff"), text)
    assert (candidate.code, candidate.rule, candidate.patch_level) == ("x = 2\n", rule, "exact")


def test_a_whole_program_is_no_answer_to_a_diff_task() -> None:
    for text in ("x = 2\n", "```lua\nx = 2\n```", "--- a module\n--- documented\nx = 2"):
        candidate = extract(task("diff"), text)
        assert (candidate.rule, candidate.outcome) == ("whole-file", Outcome.PATCH_REJECTED)
        assert candidate.detail == "the answer holds no diff; a unified diff was requested"


def test_a_diff_that_does_not_apply_is_rejected_with_the_reason() -> None:
    candidate = extract(task("diff", source="y = 1\n"), DIFF)
    assert candidate.outcome is Outcome.PATCH_REJECTED
    assert 'the source has no line "x = 1"' in candidate.detail


@given(st.text(max_size=300), st.sampled_from(["code", "diff"]))
def test_any_text_gives_a_program_or_a_reason(text: str, answer: str) -> None:
    candidate = extract(task(answer), text)
    assert (candidate.code is None) == (candidate.outcome is not None)
    assert candidate.rule


@given(st.text(alphabet="`~<|>thinkfinal \n", max_size=200))
def test_any_heap_of_markers_gives_a_program_or_a_reason(text: str) -> None:
    candidate = extract(task(), text)
    assert (candidate.code is None) == bool(candidate.detail)


def test_blocks_that_each_begin_a_file_are_one_answer() -> None:
    header = re.compile(r"--[ \t]*file:", re.IGNORECASE)
    several = replace(LUA, file_header=header)
    text = "First:\n```lua\n-- file: a.lua\nreturn 1\n```\nand\n```lua\n-- file: b.lua\nreturn 22222\n```\nDone."
    found = extraction.extract(task(), text, several)
    assert (found.code, found.rule) == ("-- file: a.lua\nreturn 1\n\n-- file: b.lua\nreturn 22222", "fence-files")
    assert extraction.extract(task(), text, LUA).rule == "fence-longest"
    alone = extraction.extract(task(), text.replace("-- file: a.lua\n", ""), several)
    assert (alone.code, alone.rule) == ("-- file: b.lua\nreturn 22222\n", "fence-longest")


@pytest.mark.parametrize("line", ["```\n", "~~~lua\n", "```json\n{"])
def test_an_answer_of_fences_is_read_within_a_moment(line: str) -> None:
    started = time.process_time()
    extraction.extract(task(), line * 12_000, LUA)
    assert time.process_time() - started < 2
