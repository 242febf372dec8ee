"""A long list is cut in one way everywhere, and always says how much is left out."""

from __future__ import annotations

import ast

from env.wording.listing import lines_text, listed_text, more_text
from tests.support.runs import PROJECT


def test_what_is_left_out_is_counted() -> None:
    assert listed_text("abc", 3) == "a, b, c"
    assert listed_text("abcd", 3) == "a, b, c and 1 more"
    assert listed_text([7], 3, total=1_208) == "7 and 1,207 more"
    assert lines_text("abcd", 2, "kinds") == "\n  a\n  b\n  ... and 2 more kinds"
    assert lines_text("ab", 2) == "\n  a\n  b"


def test_nothing_left_out_needs_no_word_and_a_place_is_named() -> None:
    assert more_text(0) == more_text(-2) == ""
    assert more_text(4, where="report.json") == "and 4 more: see report.json"


def test_no_module_words_it_again() -> None:
    """A formatted string whose value is followed by " more" at its end belongs to env/listing.py."""
    found = [
        f"{path.relative_to(PROJECT)}:{node.lineno}"
        for layer in ("env", "eval", "training", "gates", "runner")
        for path in sorted((PROJECT / layer).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.JoinedStr) and _ends_in_more(node) and path.name != "listing.py"
    ]
    assert found == []


def _ends_in_more(text: ast.JoinedStr) -> bool:
    last = text.values[-1]
    return isinstance(last, ast.Constant) and last.value in (" more", " more lines", " more kinds")
