"""Gate D's race over real tasks and the real pipeline: the grid's samples, fewer of them, resumable anywhere."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import pytest

from env.refusal import Refusal
from eval.decision.cells import Cell
from eval.decision.racing import Place
from eval.decision.rule import DecisionRule
from eval.pipeline.prompts import PromptForm
from eval.pipeline.sampling import GenerationRequest, SamplingSettings
from eval.pipeline.stored_samples import read_samples
from eval.pipeline.verifier import Job, Verifier
from eval.records import Outcome, Verdict
from gates import d_sweep
from gates.context import GateContext, PlanContext
from gates.d_sweep import select, sweep_cells
from gates.measuring.bench import Bench, dataset_of
from gates.measuring.search import course_of, planned_cells
from gates.plans import plan
from gates.rejudging import rejudge
from runner.runs.config import compose_experiment
from tests.support.contexts import gate_context
from tests.support.luanti import open_verifier
from tests.support.settings import prompt_form
from tests.support.written import steps_of
from training.backends.base import Completion, DrawStep

SMALL = ["profile=smoke", "dataset.dev_tasks=14", "sampling.samples_per_call=10", "verifier.workers=1"]
FOLDERS = {f"step-{step:06d}": Path(f"step-{step:06d}") for step in (2, 4, 6)}


@dataclass
class Scripted:
    """A language model that knows every reference and writes it more often the stronger its adapter is."""

    answers: dict[str, str]
    strength: float = 0.1
    calls: int = 0
    fail_after: int = 10**9
    choices: dict[str, str] = field(default_factory=dict)
    is_batch_exact: bool = False

    def draw(
        self, requests: Sequence[GenerationRequest], settings: SamplingSettings
    ) -> Generator[DrawStep, None, None]:
        self.calls += 1
        if self.calls > self.fail_after:
            raise KeyboardInterrupt
        return steps_of(requests, self._write)

    def _write(self, prompt: str, seed: int) -> Completion:
        luck = int.from_bytes(hashlib.sha256(str(seed).encode()).digest()[:4], "big") / 2**32
        text = self.answers[prompt] if luck < self.strength else "-- no idea"
        return Completion(text, "stop", 3)

    @contextmanager
    def adapter(self, folder: Path, scale: float) -> Iterator[None]:
        before, self.strength = self.strength, 0.05 * int(folder.name[-6:]) * scale
        try:
            yield
        finally:
            self.strength = before

    def apply_chat_template(self, user: str, form: PromptForm) -> None:
        return None


def context_in(folder: Path, *overrides: str) -> GateContext:
    return gate_context(folder, compose_experiment([*SMALL, *overrides])[0], "d")


def rule_of(context: GateContext) -> DecisionRule:
    section = {key: value for key, value in asdict(context.experiment.rule).items() if key != "selection"}
    return DecisionRule(
        **section, selection="split", seed=0, dev_tasks=14, dev_clusters=14, dev_samples=5, test_tasks=12,
        test_clusters=12, test_samples=5, families=("doc", "repair", "scaffold"), splits_digest="",
    )  # fmt: skip


@contextmanager
def bench_in(folder: Path, *overrides: str, fail_after: int = 10**9) -> Iterator[Bench]:
    """A bench whose base was measured on dev, as Gate B leaves it."""
    context = context_in(folder, *overrides)
    dataset = dataset_of(context.experiment)
    with open_verifier(context.experiment.verifier) as verifier:
        bench = Bench(context, Scripted({}), verifier, dataset, prompt_form(), {})
        bench.model.answers = {bench.prompt(task): task.reference for task in dataset.tasks}
        bench.measure("base", "dev", folder / "gate_b" / "samples.jsonl", "", 0, 0)
        bench.model.calls, bench.model.fail_after = 0, fail_after
        yield bench


def swept(folder: Path, *overrides: str) -> d_sweep.Sweep:
    with bench_in(folder, *overrides) as bench:
        return sweep_cells(bench.context, bench, rule_of(bench.context), FOLDERS)


def lines_of(folder: Path) -> dict[str, list[dict]]:
    """Every stored line of every cell, without the time that judging took."""
    found = {}
    for path in sorted(folder.glob("gate_d/cells/*/samples.jsonl")):
        found[path.parent.name] = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        for line in found[path.parent.name]:
            del line["verdict"]["seconds"]
    return found


@pytest.fixture(scope="module")
def raced(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, d_sweep.Sweep]:
    folder = tmp_path_factory.mktemp("raced")
    return folder, swept(folder)


def test_a_race_draws_a_part_of_the_grids_very_samples(raced, tmp_path):
    folder, sweep = raced
    grid = swept(tmp_path, "gate.d.search=grid")
    of_race, of_grid = lines_of(folder), lines_of(tmp_path)
    assert of_race.keys() == of_grid.keys()
    for cell, lines in of_race.items():
        whole = {(line["task_id"], line["index"]): line for line in of_grid[cell]}
        assert all(whole[line["task_id"], line["index"]] == line for line in lines)
    assert sum(map(len, of_grid.values())) == 6 * 14 * 5 == grid.course.samples(5)
    assert sum(map(len, of_race.values())) == sweep.course.samples(5) < 6 * 14 * 5


def test_the_report_shows_every_round_and_what_each_cell_was_measured_on(raced):
    _, sweep = raced
    rule = rule_of(context_in(Path()))
    selection = select(sweep, rule)
    search = d_sweep.search_facts(sweep, rule)
    assert search.method == "race"
    assert [held.tasks for held in search.rounds] == [6, 14]
    assert (len(search.rounds[0].cells), len(search.rounds[0].kept)) == (6, 3)
    assert search.samples == search.planned_samples == 5 * (6 * 6 + 3 * 8)
    assert search.grid_samples == 420
    rows = {row.cell: row for row in d_sweep.cell_facts(sweep, selection)}
    for name, row in rows.items():
        dropped = name not in search.rounds[0].kept
        assert (row.tasks, row.dropped_after) == ((6, 1) if dropped else (14, None))
        assert len(row.result.scores) == row.tasks
    assert rows[selection.chosen.name].dropped_after is None
    barred = {row.cell.name: row.barred for row in selection.table if row.barred}
    assert set(barred.values()) == {"left the race after round 1 (6 tasks)"}
    assert selection.chosen == Cell(6, 1.0)


# 18 calls make the first round, 12 the second: before, inside, between, after
@pytest.mark.parametrize("calls", [0, 4, 18, 19, 29])
def test_a_race_that_was_killed_anywhere_ends_as_an_undisturbed_one(raced, tmp_path, calls):
    folder, sweep = raced
    with bench_in(tmp_path, fail_after=calls) as bench, pytest.raises(KeyboardInterrupt):
        sweep_cells(bench.context, bench, rule_of(bench.context), FOLDERS)
    # and the last line was torn when the machine went down
    for path in list(tmp_path.glob("gate_d/cells/*/samples.jsonl"))[-1:]:
        path.write_bytes(path.read_bytes()[:-20])
    again = swept(tmp_path)
    assert lines_of(tmp_path) == lines_of(folder)
    assert again.race == sweep.race
    assert select(again, rule_of(context_in(tmp_path))) == select(sweep, rule_of(context_in(tmp_path)))


def test_a_finished_race_is_read_again_without_a_single_generation(raced):
    folder, sweep = raced
    before = lines_of(folder)
    with bench_in(folder, fail_after=0) as bench:
        again = sweep_cells(bench.context, bench, rule_of(bench.context), FOLDERS)
    assert again.race == sweep.race
    assert lines_of(folder) == before


def test_a_grid_continues_from_the_samples_of_a_race(raced, tmp_path):
    for source in raced[0].glob("gate_d/cells/*/samples.jsonl"):
        target = tmp_path / source.relative_to(raced[0])
        target.parent.mkdir(parents=True)
        target.write_bytes(source.read_bytes())
    grid = swept(tmp_path, "gate.d.search=grid")
    assert {len(item.result.scores) for item in grid.cells} == {14}
    keys = [(s.task_id, s.index) for item in grid.cells for s in read_samples(item.file)]
    assert len(keys) == 420


class Losing:
    """A verifier that loses some of its answers."""

    def __init__(self, verifier: Verifier, lost: range) -> None:
        self.verifier, self.lost, self.asked = verifier, lost, 0
        self.name, self.isolation, self.language = verifier.name, verifier.isolation, verifier.language

    def submit(self, job: Job) -> Future[Verdict]:
        self.asked += 1
        if self.asked not in self.lost:
            return self.verifier.submit(job)
        done: Future[Verdict] = Future()
        done.set_result(Verdict(Outcome.HARNESS_ERROR, "the pool lost it", 0.0, self.name, self.isolation))
        return done


def test_one_lost_verdict_in_a_short_round_is_missing_data_and_ends_nothing(raced, tmp_path):
    with bench_in(tmp_path) as bench:
        losing = replace(bench, verifier=Losing(bench.verifier, range(3, 4)))
        sweep = sweep_cells(bench.context, losing, rule_of(bench.context), FOLDERS)
    # 1 of the first cell's 30 samples is more than one percent of them, and a third of one percent of all
    lost = [item for item in sweep.cells if item.result.harness_errors]
    assert [item.result.harness_errors for item in lost] == [1]
    assert sweep.race.rounds[-1].kept == raced[1].race.rounds[-1].kept


def test_a_harness_that_loses_more_than_one_percent_of_the_sweep_is_a_refusal(tmp_path):
    with bench_in(tmp_path) as bench:
        losing = replace(bench, verifier=Losing(bench.verifier, range(1, 11)))
        with pytest.raises(Refusal, match=r"^10 of \d+ samples of the sweep could not be verified"):
            sweep_cells(bench.context, losing, rule_of(bench.context), FOLDERS)


def test_the_samples_of_partly_measured_cells_are_judged_again_like_all_others(raced):
    folder, sweep = raced
    found = rejudge(folder, context_in(folder).experiment, "d", "")
    assert (found.samples, found.disagreements) == (sweep.course.samples(5), ())


def test_the_race_is_reported_as_one_count_of_samples_that_never_goes_back(tmp_path):
    told: list[tuple[int, int]] = []
    with bench_in(tmp_path) as bench:
        context = replace(bench.context, on_progress=lambda progress: told.append((progress.done, progress.total)))
        watched = replace(bench, context=context)
        sweep_cells(context, watched, rule_of(context), FOLDERS)
    counts = [done for done, total in told if total]
    assert counts == sorted(counts)
    assert counts[-1] == 300
    assert {total for _, total in told if total} == {300}


def test_max_t_few_cells_and_the_wish_for_a_grid_each_say_why_there_is_no_race(tmp_path):
    context = context_in(tmp_path)
    split = rule_of(context)
    merged = replace(split, selection="max-t", test_tasks=0, test_clusters=0)
    asked = context_in(tmp_path, "gate.d.search=grid")
    few = [Place(f"t{i}", "doc", f"c{i}") for i in range(5)]
    for experiment, rule, cells, reason in (
        (context.experiment, merged, 6, "without a test split the bounds need all cells on all tasks"),
        (context.experiment, split, 2, "2 cells are not more than the 2 finalists of a race"),
        (context.experiment, split, 6, "the dev tasks are too few for a round before the last"),
        (asked.experiment, split, 6, "gate.d.search=grid"),
    ):
        course, why = course_of(experiment, rule, few, cells)
        assert (course.search, course.samples(5), why) == ("grid", cells * 25, reason)


def test_the_plan_names_the_race_and_the_grid_it_replaces(tmp_path):
    whole = plan("d", PlanContext(tmp_path, compose_experiment([])[0]))
    assert whole.summary == "3 checkpoints x 3 scales on the dev tasks, a race of about 870 samples (the grid 2,700)"
    assert (whole.units, whole.unit) == (870, "samples")
    grid = plan("d", PlanContext(tmp_path, compose_experiment(["gate.d.search=grid"])[0]))
    assert (grid.summary, grid.units) == ("3 checkpoints x 3 scales on the dev tasks, 2,700 samples", 2700)


def test_as_many_cells_are_planned_as_training_leaves():
    assert planned_cells(compose_experiment([])[0], 800) == 9
    assert planned_cells(compose_experiment(["profile=smoke"])[0], 64) == 4


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("gate.d.race.task_pct=[20,10]", "gate.d.race.task_pct"),
        ("gate.d.race.task_pct=[]", "gate.d.race.task_pct"),
        ("gate.d.race.keep_pct=100", "gate.d.race.keep_pct"),
        ("gate.d.race.finalists=0", "gate.d.race.finalists"),
        ("gate.d.race.min_tasks=0", "gate.d.race.min_tasks"),
        ("gate.d.search=guess", "gate.d.search"),
        ("rule.selection=best", "rule.selection"),
    ],
)
def test_a_schedule_that_is_no_race_is_refused_by_its_dotted_key(override, key):
    with pytest.raises(Refusal) as refusal:
        compose_experiment([override])
    assert key in str(refusal.value)
