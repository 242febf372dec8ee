"""Strings and comments are found wherever Lua has them, in linear time, and nothing else is taken for one."""

from __future__ import annotations

import pytest

from eval.pipeline.lua_text import Quoted, quoted_spans, without_comments


def found(text: str) -> list[tuple[str, str]]:
    return [(span.kind, text[span.start : span.end]) for span in quoted_spans(text)]


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("a = 'x' .. \"y\"", [("string", "'x'"), ("string", '"y"')]),
        (r"'it\'s' 'two\\'", [("string", r"'it\'s'"), ("string", r"'two\\'")]),
        ("'not\nclosed'", []),
        ("'over\\\ntwo lines'", [("string", "'over\\\ntwo lines'")]),
        ("[[a\n]=]b]] [==[c]]d]==]", [("string", "[[a\n]=]b]]"), ("string", "[==[c]]d]==]")]),
        ("x -- 'c' \ny", [("line", "-- 'c' ")]),
        ("--[[ a\nb ]] c --[=[ d ]=]", [("block", "--[[ a\nb ]]"), ("block", "--[=[ d ]=]")]),
        ("--[[ never closed\nx", [("line", "--[[ never closed")]),
        ("t[a[1]] = [[", []),
        ("`in {luau}` and ```lua", [("string", "`in {luau}`")]),
        ("Here's a `word` and it's \"quoted\"", [("string", "'s a `word` and it'"), ("string", '"quoted"')]),
    ],
)
def test_strings_and_comments_are_those_of_lua(text: str, spans: list[tuple[str, str]]) -> None:
    assert found(text) == spans


def test_a_position_is_inside_from_the_first_delimiter_to_the_last() -> None:
    quoted = Quoted("a 'b' -- c\nd")
    assert [quoted.kind_at(i) for i in (0, 2, 4, 5, 6, 9, 10, 11)] == [
        "",
        "string",
        "string",
        "",
        "line",
        "line",
        "",
        "",
    ]


def test_comments_go_and_strings_with_dashes_stay() -> None:
    assert without_comments("a = '--x' -- y\nb --[[ z ]] c").split() == ["a", "=", "'--x'", "b", "c"]


def test_a_million_openings_that_never_close_are_read_in_one_pass() -> None:
    assert found("[[ " * 1_000_000) == []  # a pass for each would not end today
