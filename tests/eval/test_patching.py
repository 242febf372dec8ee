"""The applier finds hunks by content, names how exactly they matched, and refuses to guess."""

from __future__ import annotations

import difflib
import json
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from eval.pipeline.forms.patching import PatchRejected, apply_patch, parse_hunks

PUBLIC = Path(__file__).resolve().parents[3] / "shared/data/public/luanti-fine-tune/data/eval/luanti_eval.jsonl"
SOURCE = "a = 1\nb = 2\nc = 3\nd = 4\ne = 5\n"


def test_line_numbers_and_counts_are_ignored() -> None:
    patched = apply_patch(SOURCE, "--- a/x\n+++ b/x\n@@ -900,77 +12 @@ nonsense\n b = 2\n-c = 3\n+c = 30\n d = 4\n")
    assert (patched.text, patched.level, patched.hunks) == (SOURCE.replace("c = 3", "c = 30"), "exact", 1)


def test_a_diff_without_any_header_applies() -> None:
    assert apply_patch(SOURCE, "-c = 3\n+c = 30").text == SOURCE.replace("c = 3", "c = 30")


@pytest.mark.parametrize(
    ("source", "diff", "level"),
    [
        ("x = 1\n", "-x = 1\n+x = 2", "exact"),
        ("x = 1  \n", "-x = 1\n+x = 2", "rstrip"),
        ("x = 1\r\n", "-x = 1\n+x = 2", "rstrip"),
        ("\tx  = 1\n", "-    x = 1\n+x = 2", "whitespace"),
    ],
)
def test_the_loosest_level_used_is_named(source: str, diff: str, level: str) -> None:
    assert apply_patch(source, diff).level == level


def test_the_loosest_of_several_hunks_counts() -> None:
    patched = apply_patch("x = 1\ny  = 2\n", "@@\n-x = 1\n+x = 9\n@@\n-y = 2\n+y = 9")
    assert (patched.text, patched.level) == ("x = 9\ny = 9\n", "whitespace")


def test_context_stays_as_the_source_has_it() -> None:
    assert apply_patch("\tkeep  = 1\n\tx = 1\n", "   keep = 1\n-  x = 1\n+\tx = 2").text == "\tkeep  = 1\n\tx = 2\n"


def test_two_possible_places_are_refused() -> None:
    with pytest.raises(PatchRejected, match=r"matches 2 places \(lines 1, 3\): it is ambiguous"):
        apply_patch("x = 1\ny = 1\nx = 1\n", "-x = 1\n+x = 2")


def test_a_looser_level_is_not_tried_once_a_tighter_one_was_ambiguous() -> None:
    with pytest.raises(PatchRejected, match="ambiguous"):
        apply_patch("x = 1\nx = 1\n x = 1\n", "-x = 1\n+x = 2")


def test_context_makes_an_ambiguous_line_unique() -> None:
    assert apply_patch("x = 1\ny = 1\nx = 1\n", " y = 1\n-x = 1\n+x = 2").text == "x = 1\ny = 1\nx = 2\n"


def test_a_line_the_source_does_not_have_is_named() -> None:
    with pytest.raises(PatchRejected, match='Hunk 1 matches nowhere: the source has no line "z = 1"'):
        apply_patch(SOURCE, "-z = 1\n+z = 2")


def test_lines_in_another_order_are_refused() -> None:
    with pytest.raises(PatchRejected, match="not next to each other in that order"):
        apply_patch(SOURCE, " b = 2\n a = 1\n-c = 3")


def test_overlapping_hunks_are_refused() -> None:
    with pytest.raises(PatchRejected, match="Two hunks change the same lines"):
        apply_patch(SOURCE, "@@\n-b = 2\n-c = 3\n+x\n@@\n-c = 3\n+y")


def test_hunks_in_any_order_apply() -> None:
    assert apply_patch(SOURCE, "@@\n-e = 5\n+e\n@@\n-a = 1\n+a").text == "a\nb = 2\nc = 3\nd = 4\ne\n"


@pytest.mark.parametrize("diff", ["", "no diff at all", "@@ -1 +1 @@\n a = 1", "--- a\n+++ b\n"])
def test_a_diff_that_changes_nothing_is_refused(diff: str) -> None:
    with pytest.raises(PatchRejected, match="changes nothing"):
        apply_patch(SOURCE, diff)


def test_an_addition_without_a_neighbour_is_refused() -> None:
    with pytest.raises(PatchRejected, match="has no context line"):
        apply_patch(SOURCE, "@@ -0,0 +1 @@\n+x = 1")
    assert apply_patch("", "@@ -0,0 +1 @@\n+x = 1").text.startswith("x = 1")


def test_deleting_a_lua_comment_is_not_a_file_header() -> None:
    patched = apply_patch("-- old\nx = 1\n", "--- a/init.lua\n+++ b/init.lua\n@@ -1,2 +1,1 @@\n--- old\n x = 1\n")
    assert patched.text == "x = 1\n"


def test_a_context_line_that_lost_its_leading_blank_still_anchors() -> None:
    assert apply_patch("f({\n\tx = 1,\n})\n", "@@\nf({\n-\tx = 1,\n+\tx = 2,\n})").text == "f({\n\tx = 2,\n})\n"


def test_a_no_newline_remark_is_not_content() -> None:
    assert (
        apply_patch("x = 1", "-x = 1\n\\ No newline at end of file\n+x = 2\n\\ No newline at end of file").text
        == "x = 2"
    )


LINES = st.lists(
    st.text(alphabet="abc{}=, \t", min_size=1, max_size=8), max_size=12, unique_by=lambda s: " ".join(s.split())
)


@given(before=LINES, after=LINES)
def test_a_diff_of_unique_lines_gives_back_the_other_text(before: list[str], after: list[str]) -> None:
    source, target = "\n".join(before), "\n".join(after)
    diff = "\n".join(difflib.unified_diff(before, after, lineterm="", n=50))
    assume(any(line.strip() for line in before) and parse_hunks(diff))
    assert apply_patch(source, diff).text == target


@given(source=st.text(max_size=200), diff=st.text(max_size=200))
def test_any_text_either_applies_or_is_refused_with_a_sentence(source: str, diff: str) -> None:
    refusal, hunks = "", 0
    try:
        hunks = apply_patch(source, diff).hunks
    except PatchRejected as error:
        refusal = str(error)
    assert hunks >= 1 or refusal.endswith(".")


@pytest.mark.skipif(not PUBLIC.exists(), reason=f"the public data is not at {PUBLIC.parent}")
def test_fifteen_of_twenty_public_repair_answers_apply_to_their_own_input() -> None:
    # The other five ask for a line that their input spells differently (a missing comma); see the data's README.
    rows = [json.loads(line) for line in PUBLIC.read_text(encoding="utf-8").splitlines()]
    applied = 0
    repairs = [row for row in rows if row["family"] == "repair"]
    for row in repairs:
        try:
            apply_patch(row["input"], row["output"])
            applied += 1
        except PatchRejected:
            continue
    assert (applied, len(repairs)) == (15, 20)
