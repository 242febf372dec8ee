"""Stored samples in the terminal: filters, damage said aloud, and no model's text steers anything."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from env.files import read_lines
from env.refusal import Refusal
from eval.records import sample_from_json
from runner.runs.folder import Run
from runner.screens.answers.samples import samples_text
from runner.screens.ink import Paper
from runner.views.samples import FoundSamples, Wanted, find_samples, sample_rows
from tests.support.run_factory import make_run
from tests.support.runs import Cli
from tests.support.story import Story

HOSTILE = "\x1b[31mred\x1b]0;title\x07 \x9b2J \u202egnp.exe \ud800 [bold]not markup[/bold]"
PLAIN, COLOUR = Paper(None), Paper(100, colour=True)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_run(tmp_path_factory.mktemp("results"), Story(dev_tasks=6, test_tasks=12))


@pytest.fixture
def mine(tmp_path: Path) -> Run:
    """A run that a test may damage."""
    return make_run(tmp_path, Story(gates="ab", dev_tasks=6, test_tasks=6))


def outcomes(found: FoundSamples) -> set[str]:
    return {sample.verdict.outcome.value for sample in found.samples}


def test_only_samples_that_match_every_filter_are_shown_up_to_the_limit(finished: Run) -> None:
    every = find_samples(finished, "b", Wanted(limit=10_000))
    # 6 dev tasks x 5 and 12 test tasks x 6 samples
    assert (every.stored, every.matching, len(every.samples)) == (102, 102, 102)
    wrong = find_samples(finished, "b", Wanted(outcome="WRONG", family="repair", limit=3))
    assert outcomes(wrong) == {"WRONG"}
    assert {wrong.labels[s.task_id].family for s in wrong.samples} == {"repair"}
    assert len(wrong.samples) == min(3, wrong.matching)
    expected = sum("-repair-" in s.task_id and s.verdict.outcome == "WRONG" for s in every.samples)
    assert wrong.matching == expected > 0


def test_one_task_and_one_cell_of_the_sweep_can_be_picked(finished: Run) -> None:
    cells = find_samples(finished, "d", Wanted(limit=10_000))
    assert len(cells.files) == 9
    one = find_samples(finished, "d", Wanted(cell="step-000080_x0.50", task="dev-doc-002", limit=100))
    assert {(s.arm, s.task_id) for s in one.samples} == {("step-000080_x0.50", "dev-doc-002")}
    assert one.matching == 5


@pytest.mark.parametrize(
    ("wanted", "hint"),
    [
        (Wanted(outcome="WROGN"), '"WRONG"'),
        (Wanted(outcome="X"), "Choices: CRASHED, HARNESS_ERROR,"),
        (Wanted(family="repiar"), '"repair"'),
        (Wanted(kind="noode"), '"node"'),
        (Wanted(cell="bsae"), '"base"'),
        (Wanted(task="dev-doc-02"), '"dev-doc-002"'),
    ],
)
def test_a_filter_that_fits_nothing_names_the_nearest(finished: Run, wanted: Wanted, hint: str) -> None:
    with pytest.raises(Refusal) as refused:
        find_samples(finished, "b", wanted)
    assert hint in str(refused.value)


def test_a_known_outcome_that_did_not_happen_is_no_error(finished: Run) -> None:
    found = find_samples(finished, "b", Wanted(outcome="TIMEOUT"))
    assert found.matching == 0
    text = samples_text(found, "outcome TIMEOUT", PLAIN)
    assert text == "no sample of gate B with outcome TIMEOUT, of 102 samples stored\n"


def test_a_gate_without_samples_says_why_in_one_sentence(cli: Cli, results: Path) -> None:
    make_run(results, Story(gates="a", dev_tasks=6, test_tasks=6))
    for gate, words in (
        ("A", "has no samples. fix: Use B, D or E."),
        ("B", "has no samples yet"),
        ("F", "A, B, C"),
    ):
        code, text = cli("samples", gate)
        assert code == 2
        assert words in " ".join(text.split())
        assert "Traceback" not in text


def test_a_torn_file_is_said_and_the_rest_is_shown(mine: Run) -> None:
    path = mine.gate_folder("b") / "samples.jsonl"
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:3], b'{"task_id": 1}\n', *lines[3:-1], lines[-1][:20]]))
    found = find_samples(mine, "b", Wanted(limit=1000))
    assert found.stored == len(lines) - 1
    assert len(found.samples) == found.stored
    said = " ".join(found.problems)
    assert "its last line is torn" in said
    assert f"1 of {len(lines)} lines hold no valid sample (line 4)" in said
    assert "its SHA-256 differs" in said
    assert samples_text(found, "", PLAIN).startswith("! gate_b/samples.jsonl: its last line is torn")


def test_a_gate_still_running_shows_what_is_stored_so_far(mine: Run) -> None:
    report = mine.gate_folder("b") / "report.json"
    report.unlink()
    found = find_samples(mine, "b", Wanted(limit=1))
    assert len(found.samples) == 1
    # this made-up run's config cannot name its dataset: families are unknown, and that is said
    assert found.labels == {}
    assert "The dataset cannot be read" in found.problems[0]


def hostile(mine: Run) -> FoundSamples:
    [stored] = find_samples(mine, "b", Wanted(outcome="WRONG", limit=1)).samples
    verdict = replace(stored.verdict, detail=HOSTILE, findings=(HOSTILE,), registered=(HOSTILE,))
    candidate = replace(stored.candidate, code=f"local a = 1 -- {HOSTILE}\n\treturn a")
    return FoundSamples(
        "b", (), 1, 1, {"WRONG": 1}, (replace(stored, candidate=candidate, verdict=verdict),), {}, {}, ()
    )


def test_no_sign_of_a_models_text_reaches_the_terminal_as_a_code(mine: Run) -> None:
    plain = samples_text(hostile(mine), "", PLAIN)
    assert all(sign.isprintable() or sign == "\n" for sign in plain)
    assert r"local a = 1 -- \x1b[31mred\x1b]0;title\x07 \x9b2J \u202egnp.exe \ud800 [bold]not markup[/bold]" in plain
    coloured = samples_text(hostile(mine), "", COLOUR)
    codes = {part.partition("m")[0] for part in coloured.split("\x1b")[1:]}
    assert codes <= {"[0", "[1", "[2", "[32", "[33", "[35", "[36"}, "only our own colours"
    assert not any(sign in coloured for sign in ("\x9b", "\u202e", "\ud800", "\x07"))


def test_a_program_is_coloured_by_its_syntax_where_the_terminal_takes_colour(mine: Run) -> None:
    text = samples_text(hostile(mine), "", COLOUR)
    assert "\x1b[35mlocal\x1b[0m" in text
    assert "    return" in text.replace("\x1b[35m", ""), "a tab is four spaces"
    assert "\x1b" not in samples_text(hostile(mine), "", PLAIN)


def test_a_stream_without_our_signs_gets_ascii(mine: Run) -> None:
    text = samples_text(hostile(mine), "", Paper(None, unicode=False, encoding="ascii"))
    assert text.isascii()


def test_failed_checks_appear_with_their_reason_the_others_by_name(mine: Run) -> None:
    text = samples_text(find_samples(mine, "b", Wanted(outcome="WRONG", limit=1)), "", PLAIN)
    assert "  failed:  light  check light: light_source: expected 7, got nil\n" in text
    assert "  passed:  node is registered\n" in text
    unreached = samples_text(find_samples(mine, "b", Wanted(outcome="SYNTAX_ERROR", limit=1)), "", PLAIN)
    assert "  beyond:  not reached: node is registered\n" in unreached


def test_a_completion_without_a_program_is_shown_as_it_was_written(finished: Run) -> None:
    found = find_samples(finished, "b", Wanted(outcome="NO_CODE", limit=1))
    text = samples_text(found, "", PLAIN)
    assert "no program found; raw completion:" in text
    assert f"    {found.samples[0].completion.text}" in text


def test_the_data_of_a_sample_is_the_stored_line_with_its_labels(finished: Run, cli: Cli) -> None:
    path = finished.gate_folder("e") / "samples.jsonl"
    rows = sample_rows(find_samples(finished, "e", Wanted(limit=10_000)))["samples"]
    stored = [sample_from_json(json.loads(text)) for text in read_lines(path)]
    assert [sample_from_json(row) for row in rows] == stored
    assert {(row["family"], row["split"]) for row in rows} == {(f, "test") for f in ("scaffold", "repair", "doc")}
    code, text = cli("samples", "E", "--outcome", "passed", "--limit", "2", "--json", "--run", str(finished.folder))
    assert code == 0
    assert text.isascii()
    assert [row["verdict"]["outcome"] for row in json.loads(text)["samples"]] == ["PASSED", "PASSED"]
