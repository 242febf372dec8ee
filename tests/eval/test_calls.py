"""Tool calls are read in every spelling that models write; what cannot be read is a verdict with its reason."""

from __future__ import annotations

import json

import pytest

from eval.domains.luanti.domain import LUA
from eval.pipeline.extract import extract
from eval.pipeline.forms.calls import MAX_CALLS, MalformedCalls, NoCalls, find_calls, read_document
from eval.records import Outcome, Task

PLAIN = '{"name": "run_code", "arguments": {"code": "print(1)"}}'
AS_TEXT = json.dumps({"name": "run_code", "arguments": json.dumps({"code": "print(1)"})})
OPENAI = json.dumps(
    {"id": "call_1", "type": "function", "function": {"name": "run_code", "arguments": '{"code": "print(1)"}'}}
)
SPELLINGS = {
    "a tag": f"<tool_call>\n{PLAIN}\n</tool_call>",
    "a tag without its end": f"I look first.\n<tool_call>{AS_TEXT}",
    "Mistral's list": f"[TOOL_CALLS][{PLAIN}]",
    "a fence": f"Here:\n```json\n{PLAIN}\n```",
    "a fence without a label": f"```\n[{AS_TEXT}]\n```",
    "a bare object": PLAIN,
    "a bare list behind a sentence": f"I call one tool.\n[{OPENAI}]",
    "a chat's message": json.dumps({"role": "assistant", "content": None, "tool_calls": [json.loads(OPENAI)]}),
    "a wrapped object": f'{{"tool_call": {PLAIN}}}',
    "a line that only looks like a list": f"[1] I call one tool.\n{PLAIN}",
    "parameters for arguments": '{"name": "run_code", "parameters": {"code": "print(1)"}}',
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_gives_the_same_call(spelling: str) -> None:
    [call] = find_calls(SPELLINGS[spelling]).calls
    assert (call.name, call.arguments) == ("run_code", {"code": "print(1)"})


def test_calls_keep_their_order_and_the_text_behind_the_last_is_the_answer() -> None:
    stop = '{"name": "start_stop_play", "arguments": {}}'
    text = f"First.\n<tool_call>{PLAIN}</tool_call>\nThen.\n<tool_call>{stop}</tool_call>\nAll is done."
    found = find_calls(text)
    assert [call.name for call in found.calls] == ["run_code", "start_stop_play"]
    assert found.answer == "All is done."
    fenced = find_calls(f"```json\n{PLAIN}\n{stop}\n```\n\nand\n\n```json\n{stop}\n```\nDone.")
    assert [call.name for call in fenced.calls] == ["run_code", "start_stop_play", "start_stop_play"]
    assert fenced.answer == "Done."


def test_a_document_reads_back_as_it_was_written() -> None:
    found = find_calls(f"<tool_call>{PLAIN}</tool_call> Größe: 3")
    again = read_document(found.document())
    assert (again.calls, again.answer) == (found.calls, "Größe: 3")


MALFORMED = {
    "<tool_call>{'name': 'run_code'}</tool_call>": "call 1 is not JSON: Expecting property name",
    f"<tool_call>{PLAIN}}}</tool_call>": "call 1 is not JSON: something follows its end",
    f'[{PLAIN}, {{"name": 1}}]': "call 2 has no name",
    '{"name": "a", "arguments": "[1]"}': "call 1 (a): its arguments are no object",
    '{"name": "a", "arguments": "{"}': "call 1 (a): its arguments is not JSON",
    '{"name": "a", "name": "b"}': "call 1 is not JSON: a key appears twice",
    '{"name": "a", "arguments": {"x": NaN}}': "call 1 is not JSON: NaN is no number of JSON",
    '{"name": "a", "arguments": ' + "[" * 100_000: "nested too deeply",
    '{"name": "a", "arguments": {"x": ' + "[" * 40 + "]" * 40 + "}}": "nested deeper than 32 levels",
    '{"name": "a", "arguments": {"x": ' + "[" * 400 + "]" * 400 + "}}": "nested deeper than 32 levels",
    json.dumps([json.loads(PLAIN)] * (MAX_CALLS + 1)): f"at most {MAX_CALLS} are executed",
}


@pytest.mark.parametrize("text", MALFORMED, ids=range(len(MALFORMED)))
def test_calls_that_cannot_be_read_say_why(text: str) -> None:
    with pytest.raises(MalformedCalls) as caught:
        find_calls(text)
    assert MALFORMED[text] in str(caught.value)


@pytest.mark.parametrize("text", ["Done.", "```lua\nprint(1)\n```", "return {}", "[]", '{"calls": []}', "{1, 2}"])
def test_an_answer_that_calls_nothing_has_no_calls(text: str) -> None:
    with pytest.raises(NoCalls):
        find_calls(text)


BOMBS = {
    "many open brackets": "[\n" * 100_000 + '"name"',
    "many open objects": '{"name": [' * 20_000,
    "fences that close nothing": "".join("`" * length + "\n{\n" for length in range(3, 700)),
    "tags that hold nothing": "<tool_call>" * 20_000,
    "lists in lists": "[" * 940 + PLAIN + "]" * 940,
    "a long answer": "x" * 10_000_000 + PLAIN,
    "a long number": f'{{"name": "a", "arguments": {{"x": {"9" * 100_000}}}}}',
}


@pytest.mark.parametrize("name", BOMBS)
def test_an_answer_made_to_break_the_reader_is_malformed_soon(name: str) -> None:
    with pytest.raises((MalformedCalls, NoCalls)):
        find_calls(BOMBS[name])


def asked() -> Task:
    return Task("t", "tools", "", "c", "test", "Do it.", "", "calls", "x", ())


def test_extraction_turns_an_answer_into_the_document_after_its_thoughts() -> None:
    found = extract(asked(), f"<think>{AS_TEXT}? no</think>\n<tool_call>{PLAIN}</tool_call>", LUA)
    assert found.rule == "think+calls-tags"
    assert json.loads(found.code or "") == {"calls": [json.loads(PLAIN)], "answer": ""}


def test_extraction_gives_a_verdict_for_no_calls_and_for_malformed_ones() -> None:
    none, broken = extract(asked(), "print(1)", LUA), extract(asked(), '<tool_call>{"name": </tool_call>', LUA)
    assert (none.code, none.outcome, none.detail) == (None, Outcome.NO_CODE, "the answer calls no tool")
    assert (broken.code, broken.outcome) == (None, Outcome.SYNTAX_ERROR)
    assert broken.detail.startswith("call 1 is not JSON")


def test_half_of_a_sign_in_json_leaves_a_document_that_can_be_written() -> None:
    document = find_calls('[{"name": "run_code", "arguments": {"code": "\\ud800"}}]').document()
    assert document.encode("utf-8")
    assert read_document(document).calls[0].arguments == {"code": "?"}
