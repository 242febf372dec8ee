"""Pairs and repairs to train on: right answers, real faults, nothing of the benchmark in them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from env.refusal import Refusal
from eval.datasets.bench_files import read_bench
from eval.dealing.checked_rows import CheckedRow, task_of
from eval.dealing.seeds.dealing import filled_checks
from eval.dealing.seeds.filling import fill, indented
from eval.dealing.seeds.programs import break_code, read_seeds
from eval.domains.roblox import bench
from eval.domains.roblox.api import facts
from eval.domains.roblox.domain import DOMAIN
from eval.domains.roblox.rows.dealing import rows
from eval.domains.roblox.rows.programs import dealing
from eval.domains.roblox.rows.programs.dealing import LAYOUT, PAIRS, REPAIRS, dealt, seeds
from eval.domains.roblox.studio import worlds
from eval.domains.roblox.verify.verifier import World
from eval.overlap.contamination import Status, survey
from eval.overlap.ngrams import normalise, tokens_of
from eval.pipeline.forms.patching import apply_patch
from eval.pipeline.loop import judge
from eval.pipeline.verifier import Job
from eval.records import Outcome, Row, Task

ROWS = 960
# Rows of each family; three times as many are compared with the benchmark.
DEALT = {"coding": 200, "architecture": 100, "typing": 90, "bugfix": 210, "refactor": 100}
# Rows whose answer is a diff.
DIFFS = 100
# Executed in each run of the tests; the others behind the mark slow.
SAMPLE = 60
# Words in a row that a request, and a program, must not share with one of the benchmark.
RUN, CODE_RUN = 9, 13
# Numbers up to this count things; larger ones would give an answer away.
SMALL = 25
SERVICE = r"\b(?:[Ww]orkspace|ReplicatedStorage|ServerStorage|ServerScriptService)"
NAME = re.compile(rf'"([A-Z][A-Za-z0-9]+)"|{SERVICE}[./]([A-Z]\w+)')


@pytest.fixture(scope="module")
def checked() -> tuple[CheckedRow, ...]:
    programs = [row for family, count in DEALT.items() for row in dealt(family, count, 0)]
    return (*programs, *dealt("bugfix", DIFFS, 0, "diff"))


@pytest.fixture(scope="module")
def many() -> tuple[Row, ...]:
    programs = [row for family, count in DEALT.items() for row in dealing.rows(family, 3 * count, 1)]
    return (*programs, *dealing.rows("bugfix", 3 * DIFFS, 1, "diff"))


@pytest.fixture(scope="module")
def tasks() -> Sequence[Task]:
    return read_bench("robloxbench", Path(bench.__path__[0]), DOMAIN.families, DOMAIN.mod_name, worlds)


def failed(made: Sequence[CheckedRow], world: World) -> list[str]:
    """Return the answers that do not pass their checks, and the inputs that do or cannot be judged."""
    answers = [task_of(row, number, DOMAIN.mod_name) for number, row in enumerate(made)]
    verdicts = [verdict for _, verdict in judge([(task, task.reference) for task in answers], world)]
    wrong = [
        f"{task.id}: {verdict.outcome} {verdict.detail}"
        for task, verdict in zip(answers, verdicts, strict=True)
        if verdict.outcome is not Outcome.PASSED or any(each.startswith("unmodelled") for each in verdict.findings)
    ]
    given = [row for row in made if row.row.input]
    futures = [world.submit(Job(row.row.input, row.checks)) for row in given]
    outcomes = [future.result().outcome for future in futures]
    unfit = (Outcome.PASSED, Outcome.HARNESS_ERROR, Outcome.NEEDS_STUDIO)
    return wrong + [
        f"{row.row.cluster}: its {row.row.family} input is {outcome}"
        for row, outcome in zip(given, outcomes, strict=True)
        if outcome in unfit
    ]


def test_a_sample_of_answers_passes_and_of_inputs_fails(checked: Sequence[CheckedRow], world: World) -> None:
    assert failed(checked[:: len(checked) // SAMPLE], world) == []


@pytest.mark.slow
def test_every_answer_passes_and_every_input_fails(checked: Sequence[CheckedRow], world: World) -> None:
    assert failed(checked, world) == []


def test_a_program_to_refactor_does_what_the_new_one_does(world: World) -> None:
    told = [(seed, seed.parts["refactor"]) for seed in seeds() if "refactor" in seed.parts]
    assert len(told) >= 20
    values = [{name: each[0] for name, each in seed.slots.items()} for seed, _ in told]
    futures = [
        world.submit(Job(indented(fill(part.input, own), "\t"), filled_checks(seed.checks, own)))
        for (seed, part), own in zip(told, values, strict=True)
    ]
    assert [
        seed.cluster
        for (seed, _), future in zip(told, futures, strict=True)
        if future.result().outcome is not Outcome.PASSED
    ] == []


def test_all_forms_are_dealt_in_their_shares() -> None:
    counts = Counter(row.family for row in rows(ROWS, 0))
    assert sum(counts[family] for family in PAIRS) >= ROWS / 3
    assert sum(counts[family] for family in REPAIRS) >= ROWS * 0.3
    assert min(counts[family] for family in DEALT) >= ROWS * 0.08
    assert counts["tools"] >= ROWS / 5
    assert set(counts) == set(DOMAIN.families)
    assert survey((), rows(ROWS, 0)).row_duplicates == ()


def test_programs_are_spread_over_kinds_and_families(checked: Sequence[CheckedRow]) -> None:
    for family, answer in (*((family, "code") for family in DEALT), ("bugfix", "diff")):
        kinds = Counter(row.row.kind for row in checked if (row.row.family, row.answer) == (family, answer))
        assert max(kinds.values()) - min(kinds.values()) <= 1
    assert max(Counter(row.row.cluster for row in checked).values()) <= len(checked) * 0.03
    assert len({row.row.cluster for row in checked}) == len(seeds()) >= 120


def test_every_seed_is_whole() -> None:
    for seed in seeds():
        assert seed.asked, seed.cluster
        assert all(break_code(seed, bug) != seed.code for bug in seed.bugs)
        checks = [seed.checks, *((*seed.checks, *part.checks) for part in seed.parts.values())]
        assert all(len({check.name for check in each}) == len(each) for each in checks), seed.cluster
    assert len({seed.cluster for seed in seeds()}) == len(seeds())


@pytest.mark.heavy
def test_no_row_is_near_a_benchmark_task(many: Sequence[Row], tasks: Sequence[Task]) -> None:
    for found_in in (many, rows(ROWS, 0)):
        found = survey(tasks, found_in)
        assert [str(overlap) for overlap in found.overlaps] == []
        assert found.ids(Status.CLEAN) == tuple(task.id for task in tasks)
    assert not {task.cluster for task in tasks} & {row.cluster for row in many}


def runs(text: str, size: int = RUN) -> set[str]:
    words = tokens_of(normalise(text))
    return {" ".join(words[at : at + size]) for at in range(len(words) - size + 1)}


def test_no_request_shares_a_run_of_words_with_the_benchmark(many: Sequence[Row], tasks: Sequence[Task]) -> None:
    asked = {run for task in tasks for run in runs(task.instruction)}
    assert {(row.cluster, run) for row in many for run in runs(row.instruction) & asked} == set()


def test_no_program_shares_a_longer_run_of_words_with_the_benchmark(many: Sequence[Row], tasks: Sequence[Task]) -> None:
    programs = [text for task in tasks if task.answer != "calls" for text in (task.reference, task.input)]
    known = {run for text in programs for run in runs(text, CODE_RUN)}
    assert {(row.cluster, run) for row in many for run in runs(row.output, CODE_RUN) & known} == set()


HUNK = re.compile(r"^@@ .*$", re.MULTILINE)


def numbers(*texts: str) -> set[float]:
    """Return the larger numbers in texts; where a hunk of a diff lies is none of them."""
    found = re.findall(r"\d+(?:\.\d+)?", HUNK.sub("", "\n".join(texts)))
    return {float(text) for text in found if float(text) > SMALL}


def test_no_larger_number_is_one_of_the_benchmark(many: Sequence[Row], tasks: Sequence[Task]) -> None:
    asked = {number for task in tasks for number in numbers(task.instruction, task.reference)}
    assert {(row.cluster, n) for row in many for n in numbers(row.instruction, row.output) & asked} == set()


def engine_names() -> set[str]:
    """Return the names that the engine gives: of classes, members and items of enums."""
    known = facts.load()
    members = {name for found in known.classes.values() for name in found.members}
    return {*known.classes, *members, *(item for items in known.enums.values() for item in items)}


def names(*texts: str) -> Iterator[str]:
    for text in texts:
        yield from (first or second for first, second in NAME.findall(text))


def test_no_name_is_one_of_the_benchmark(many: Sequence[Row], tasks: Sequence[Task]) -> None:
    asked = {name for task in tasks for name in names(task.instruction, task.reference)} - engine_names()
    taught = {(row.cluster, name) for row in many for name in names(row.instruction, row.output) if name in asked}
    assert taught == set()


def test_rows_follow_from_number_and_seed() -> None:
    assert dealing.rows("coding", 100, 3) == dealing.rows("coding", 200, 3)[:100]
    assert dealing.rows("bugfix", 100, 3) != dealing.rows("bugfix", 100, 4)
    assert rows(200, 1) == rows(200, 1)
    with pytest.raises(Refusal, match="the seeds give"):
        dealing.rows("typing", 10**4, 0)


def test_a_check_that_yaml_read_as_another_type_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("- {name: x, code: 'x = 1', checks: {on: 'expect(true)'}}\n")
    with pytest.raises(Refusal, match=r"a\.yaml: seed 1 x: .*True in its checks is no text"):
        read_seeds(tmp_path, LAYOUT)


def test_a_diff_turns_its_input_into_the_program_that_a_whole_answer_gives(checked: Sequence[CheckedRow]) -> None:
    diffs = [each.row for each in checked if each.answer == "diff"]
    assert len(diffs) == DIFFS
    for row in diffs:
        assert "diff" in row.instruction
        assert row.output.startswith("--- script.luau\n+++ script.luau\n@@ ")
        patched = apply_patch(row.input, row.output)
        assert patched.level == "exact"
        assert patched.text not in (row.input, "")


def test_the_benchmark_and_the_rows_ask_for_diffs_in_like_shares(tasks: Sequence[Task]) -> None:
    repairs = [task for task in tasks if task.family == "bugfix"]
    asked = sum(task.answer == "diff" for task in repairs) / len(repairs)
    taught = [row for row in rows(ROWS, 0) if row.family == "bugfix"]
    assert abs(sum(row.output.startswith("--- ") for row in taught) / len(taught) - asked) < 0.05


def test_an_answer_keeps_the_indentation_of_its_input(checked: Sequence[CheckedRow]) -> None:
    for row in (each.row for each in checked if each.row.family == "bugfix" and each.answer == "code"):
        margins = [{line[0] for line in text.splitlines() if line[:1].isspace()} for text in (row.input, row.output)]
        assert margins[0] == margins[1], row.cluster
