"""The project's training rows: right answers, real faults, nothing of the benchmark in them, readable in two formats."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from env.refusal import Refusal
from eval.datasets.__main__ import main
from eval.datasets.chat_format import instruction_and_input, to_chat
from eval.datasets.loading import load_dataset
from eval.dealing.checked_rows import CheckedRow, task_of
from eval.dealing.seeds.filling import fill
from eval.dealing.seeds.programs import Seed, break_code
from eval.domains.luanti.mod_names import DEFAULT_MOD
from eval.domains.luanti.rows import dealing
from eval.domains.luanti.rows.dealing import rows, rows_with_checks, scaffold_row
from eval.domains.luanti.rows.dealing import seeds as read_seeds
from eval.domains.luanti.rows.filling import Style, written
from eval.overlap.contamination import Status, survey
from eval.pipeline.forms.patching import apply_patch
from eval.pipeline.loop import judge
from eval.pipeline.verifier import Job, Verifier
from eval.records import Outcome, Row
from tests.support.luanti import BENCH as BENCH_FOLDER
from tests.support.luanti import FAMILIES, open_verifier, read_bench, read_rows
from tests.support.settings import dataset_settings, verifier_settings

ROWS = 960
KINDS = {
    "nodes", "tools_and_items", "crafting", "sounds_and_particles", "entities", "abms_lbms_timers", "callbacks",
    "mapgen", "commands_and_privileges", "inventories_and_metadata", "formspecs", "settings_and_storage", "pure_lua",
    "positions_and_vectors",
}  # fmt: skip


@pytest.fixture(scope="module")
def dealt() -> tuple[CheckedRow, ...]:
    return rows_with_checks(ROWS, seed=0)


@pytest.fixture(scope="module")
def seeds() -> tuple[Seed, ...]:
    return read_seeds()


@pytest.fixture(scope="module")
def recorder() -> Iterator[Verifier]:
    with open_verifier(verifier_settings(workers=2)) as verifier:
        yield verifier


def test_every_answer_passes_its_own_checks(dealt: tuple[CheckedRow, ...], recorder: Verifier) -> None:
    tasks = [task_of(row, number, DEFAULT_MOD) for number, row in enumerate(dealt)]
    verdicts = [verdict for _, verdict in judge([(task, task.reference) for task in tasks], recorder)]
    assert [
        f"{task.id}: {verdict.outcome} {verdict.detail}"
        for task, verdict in zip(tasks, verdicts, strict=True)
        if verdict.outcome is not Outcome.PASSED
    ] == []


def test_a_program_that_is_to_be_changed_does_not_pass_unchanged(
    dealt: tuple[CheckedRow, ...], recorder: Verifier
) -> None:
    changed = [row for row in dealt if row.row.family in ("repair", "refactor")]
    futures = [recorder.submit(Job(row.row.input, row.checks)) for row in changed]
    outcomes = [future.result().outcome for future in futures]
    assert {
        row.row.cluster for row, outcome in zip(changed, outcomes, strict=True) if outcome is Outcome.PASSED
    } == set()
    assert Outcome.HARNESS_ERROR not in outcomes


def test_a_program_to_refactor_keeps_the_old_checks(seeds: tuple[Seed, ...], recorder: Verifier) -> None:
    told = [(seed, seed.parts["refactor"]) for seed in seeds if "refactor" in seed.parts]
    values = [{name: each[0] for name, each in seed.slots.items()} for seed, _ in told]
    futures = [
        recorder.submit(
            Job(fill(part.input, own), tuple(replace(check, lua=fill(check.lua, own)) for check in seed.checks))
        )
        for (seed, part), own in zip(told, values, strict=True)
    ]
    assert {
        seed.cluster
        for (seed, _), future in zip(told, futures, strict=True)
        if future.result().outcome is not Outcome.PASSED
    } == set()


def test_every_kind_has_five_programs_in_every_family(seeds: tuple[Seed, ...]) -> None:
    told: Counter[tuple[str, str]] = Counter()
    for seed in seeds:
        told.update((seed.kind, name) for name in (*seed.asked, *seed.parts))
        told.update([(seed.kind, "repair")] if seed.bugs else [])
    assert {kind for kind, _ in told} == KINDS
    assert {cell: told[cell] for kind in KINDS for family in FAMILIES if told[cell := (kind, family)] < 5} == {}


def test_rows_are_spread_evenly_over_kinds_and_families(dealt: tuple[CheckedRow, ...]) -> None:
    counts = Counter((row.row.kind, row.row.family) for row in dealt)
    assert len(counts) == 14 * 4
    assert max(counts.values()) - min(counts.values()) <= 1


def test_no_row_repeats_another(dealt: tuple[CheckedRow, ...]) -> None:
    assert survey((), [row.row for row in dealt]).row_duplicates == ()


@pytest.mark.parametrize(("count", "seed"), [(ROWS, 0), (ROWS, 1), pytest.param(4 * ROWS, 2, marks=pytest.mark.heavy)])
def test_no_benchmark_task_is_in_the_rows(count: int, seed: int) -> None:
    tasks = read_bench()
    found = survey(tasks, rows(count, seed))
    assert [str(overlap) for overlap in found.overlaps] == []
    assert found.ids(Status.CLEAN) == tuple(task.id for task in tasks)


def test_rows_follow_from_number_and_seed() -> None:
    assert rows(120, seed=3) == rows(200, seed=3)[:120]
    assert rows(120, seed=3) != rows(120, seed=4)


def test_a_repair_answer_turns_its_input_into_the_right_program(dealt: tuple[CheckedRow, ...]) -> None:
    repairs = [row.row for row in dealt if row.row.family == "repair"]
    assert repairs
    for row in repairs:
        patched = apply_patch(row.input, row.output)
        assert patched.level == "exact"
        assert patched.text != row.input


def test_every_bug_swaps_texts_that_occur_once(seeds: tuple[Seed, ...]) -> None:
    assert all(break_code(seed, bug) != seed.code for seed in seeds for bug in seed.bugs)


def test_more_rows_than_the_seeds_hold_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    few = read_seeds()[:3]
    monkeypatch.setattr(dealing, "seeds", lambda: few)
    with pytest.raises(Refusal, match="the seeds give about"):
        rows(10**6, seed=0)


def test_slots_are_filled_as_name_title_and_words() -> None:
    assert fill("$pot ${pot}s $Pot ${pot:words}", {"pot": "old_pot"}) == "old_pot old_pots Old Pot old pot"
    with pytest.raises(KeyError, match="no slot lid"):
        fill("$lid", {"pot": "x"})


def test_a_style_changes_indentation_and_the_engine_table_alone() -> None:
    program = 'core.f({\n    scores = "core",\n})\n'
    assert written(program, Style("\t", "minetest")) == 'minetest.f({\n\t\tscores = "core",\n})\n'


def test_both_formats_read_back_as_the_same_rows(tmp_path: Path) -> None:
    made = rows(168, seed=5)
    for form in ("instruction", "chat"):
        path = tmp_path / f"{form}.jsonl"
        assert main(["export", "--format", form, "--out", str(path), "--rows", "168", "--seed", "5"]) == 0
        read = read_rows(path)
        assert [row.line for row in read] == list(range(1, 169))
        assert [(r.instruction, r.input, r.output, r.family, r.kind, r.cluster) for r in read] == [
            (r.instruction, r.input, r.output, r.family, r.kind, r.cluster) for r in made
        ]


def test_an_input_with_a_fence_of_its_own_survives_a_chat() -> None:
    row = Row("Use it", "text\n```lua\nx = 1\n```\n", "x = 1", "doc")
    assert instruction_and_input(to_chat(row)["messages"][0]["content"]) == (row.instruction, row.input)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"messages": "hello"}, '"messages" must be a list'),
        ({"messages": [{"role": "user", "content": "a"}]}, "one of the user and one of the assistant"),
        ({"messages": [{"role": "user"}, {"role": "assistant", "content": "b"}]}, "no text as content"),
        ({"output": "x"}, "has messages and output"),
        ({"family": None}, '"family" must be text, not null'),
    ],
)
def test_a_broken_chat_is_refused_with_its_line(tmp_path: Path, changes: dict[str, object], said: str) -> None:
    chat = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], "family": "doc"}
    path = tmp_path / "chat.jsonl"
    path.write_text(json.dumps(chat) + "\n" + json.dumps(chat | changes) + "\n", encoding="utf-8")
    with pytest.raises(Refusal, match="line 2") as caught:
        read_rows(path)
    assert said in caught.value.sentence


def test_the_benchmark_is_a_dataset_with_these_rows() -> None:
    dataset = load_dataset(dataset_settings(name="luantibench", dev_tasks=0, test_tasks=0, rows=56, seed=2))
    assert {task.split for task in dataset.tasks} == {"dev", "test"}
    assert {task.id for task in dataset.tasks} == {task.id for task in read_bench(BENCH_FOLDER)}
    assert dataset.rows == rows(56, seed=2)
    smaller = load_dataset(dataset_settings(name="luantibench", dev_tasks=4, test_tasks=6, rows=56, seed=2))
    assert Counter(task.split for task in smaller.tasks) == {"dev": 4, "test": 6}
    assert {task.id for task in smaller.tasks} < {task.id for task in dataset.tasks}
    assert smaller.digest != dataset.digest
    with pytest.raises(Refusal, match="the benchmark has"):
        load_dataset(dataset_settings(name="luantibench", dev_tasks=10**4))


def test_checks_are_named_once_a_program(seeds: tuple[Seed, ...]) -> None:
    for seed in seeds:
        for checks in ((), *(part.checks for part in seed.parts.values())):
            names = [check.name for check in (*seed.checks, *checks)]
            assert len(set(names)) == len(names), seed.cluster


def test_a_stream_of_its_own_makes_each_row(seeds: tuple[Seed, ...]) -> None:
    seed = next(seed for seed in seeds if "scaffold" in seed.asked)
    assert scaffold_row(seed, random.Random("a")) == scaffold_row(seed, random.Random("a"))


def test_a_plan_names_a_number_of_tasks_only_where_it_is_known() -> None:
    def known(name: str, dev: int, test: int) -> bool:
        files = {"eval": "a", "train": "b", "domain": "luanti"}
        return dataset_settings(name=name, dev_tasks=dev, test_tasks=test, **files).tasks_known

    assert known("luantibench", 4, 6)
    assert not known("luantibench", 0, 0)
    assert not known("jsonl", 4, 6)
    assert known("luanti_mini", 4, 6)
    with pytest.raises(ValueError, match="at least 1"):
        known("luanti_mini", 0, 6)
