"""Rounds of rejection sampling inside Gate C, with a model that writes what a test scripts and trains on nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from env.files import digest
from env.refusal import Refusal
from eval.datasets.training_tasks import training_tasks
from eval.pipeline.prompts import PromptForm, plain_template
from eval.pipeline.sampling import GenerationRequest, SamplingSettings
from eval.pipeline.stored_samples import read_samples
from eval.pipeline.verifier import Verifier
from eval.records import Dataset, Outcome, Row, Task, TaskCheck
from gates import GATES
from gates.c_training.recipes import rft
from gates.c_training.rounds import arms, choosing
from gates.c_training.rounds.choosing import second_verifier
from gates.c_training.rounds.guards import clean_check, shrunk_families
from gates.c_training.rounds.pool import sound_pool
from gates.context import GateContext
from gates.measuring.bench import dataset_of
from gates.report import GateReport
from gates.report.results import TrainingResults
from runner.runs.config import compose_experiment
from tests.support.contexts import gate_context
from tests.support.luanti import CONSTANTS, DOMAIN, open_verifier
from tests.support.settings import prompt_form, verifier_settings
from tests.support.written import steps_of
from training.backends.base import Completion, DrawStep
from training.checkpoints import list_checkpoints, save_checkpoint
from training.records import Example, LoraSettings, StepRecord, TrainResult, TrainSettings

SMALL = (
    "profile=smoke", "gate/c=rft", "gate.c.rft.drawer_steps=2", "gate.c.rft.samples=4", "dataset.rows=12",
    "gate.c.train.max_steps=4", "gate.c.train.checkpoint_every=2", "verifier.workers=1", "sampling.samples_per_call=8",
)  # fmt: skip
PHASES = ("draws.jsonl", "scores.jsonl", "selected.jsonl", "round.json")


@dataclass
class Scripted:
    """Knows every training answer and writes it with chance ``right``; an adapter is the digest of its examples."""

    answers: dict[str, str] = field(default_factory=dict)
    right: Callable[[str], float] = lambda prompt: 0.5
    wrong: str = "x = {seed}"
    identity: Any = field(default_factory=lambda: SimpleNamespace(digest="base", parts={}))
    choices: dict[str, str] = field(default_factory=dict)
    parameters: int = 1
    is_batch_exact: bool = True
    drawn: int = 0
    trained: list[tuple[str, list[Example], Path | None]] = field(default_factory=list)

    def draw(
        self, requests: Sequence[GenerationRequest], settings: SamplingSettings
    ) -> Generator[DrawStep, None, None]:
        self.drawn += sum(len(request.seeds) for request in requests)
        return steps_of(requests, self._write)

    def _write(self, prompt: str, seed: int) -> Completion:
        luck = int.from_bytes(hashlib.sha256(f"{prompt}{seed}".encode()).digest()[:4], "big") / 2**32
        text = self.answers[prompt] if luck < self.right(prompt) else self.wrong.format(seed=seed)
        return Completion(text, "stop", 3)

    @contextmanager
    def adapter(self, folder: Path, scale: float) -> Iterator[None]:
        assert (folder / "adapter_model.safetensors").is_file()
        yield

    def apply_chat_template(self, user: str, form: PromptForm) -> None:
        return None

    def train(
        self, examples: list[Example], lora: LoraSettings, train: TrainSettings, folder: Path, hooks: Any,
        start: Path | None = None,
    ) -> TrainResult:  # fmt: skip
        content = digest([[one.prompt, one.answer] for one in examples])
        self.trained.append((folder.parent.name, examples, start))

        def write(at: Path) -> None:
            (at / "adapter_model.safetensors").write_text(f"{content} {train.max_steps} {start}")
            (at / "adapter_config.json").write_text("{}")

        done = {found.step for found in list_checkpoints(folder).verified}
        for step in range(1, train.max_steps + 1):
            if step in done or (done and step < max(done)):
                continue
            hooks.on_step(StepRecord(step, 1.0 / step, 0.1, 1.0, 10, 0.0, 0.0))
            if step % train.checkpoint_every == 0 or step == train.max_steps:
                facts = {"loss": 1.0 / step, "base": "base", "lora": {}, "train": {}, "examples": content}
                hooks.on_checkpoint(save_checkpoint(folder, step, write, facts, scheduled=True))
        return TrainResult("finished", train.max_steps, list_checkpoints(folder).verified, examples=len(examples))

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def recorder() -> Iterator[Verifier]:
    with open_verifier(verifier_settings(workers=1)) as verifier:
        yield verifier


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch, recorder: Verifier) -> Scripted:
    """The model that Gate C loads; what it compares with Gate A's record is not there to compare."""
    scripted = Scripted()
    monkeypatch.setattr(rft, "open_judge", lambda experiment: nullcontext(recorder))
    monkeypatch.setattr(rft, "loaded", lambda context, settings: scripted)
    monkeypatch.setattr(rft, "approved_dataset", lambda context: dataset_of(context.experiment))
    monkeypatch.setattr(rft, "recorded_form", lambda context: prompt_form())
    for name in ("require_same_judge", "require_same_base", "require_same_training_prompts"):
        monkeypatch.setattr(rft, name, lambda *_: None)
    monkeypatch.setattr(GateContext, "earlier", lambda self, kind: None)
    return scripted


def context_in(folder: Path, *overrides: str) -> GateContext:
    return replace(
        gate_context(folder, compose_experiment([*SMALL, *overrides])[0], "c"),
        inputs={"overrides": " ".join(overrides)},
    )


def run(folder: Path, model: Scripted, *overrides: str) -> GateReport:
    context = context_in(folder, *overrides)
    tasks = training_tasks(context.experiment.dataset, context.experiment.gate.c.rft.tasks)  # type: ignore[union-attr]
    model.answers = {plain_template(task.instruction, task.input): task.reference for task in tasks}
    inputs = {"schema_version": 1, "attempt": 1, "digests": context.inputs}
    (folder / "gate_c").mkdir(parents=True, exist_ok=True)
    (folder / "gate_c" / "inputs.json").write_text(json.dumps(inputs))
    return rft.run(context)


def files_of(folder: Path) -> dict[str, bytes]:
    """What a gate stored, without the times and the sessions in it."""
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for name, data in found.items():
        if name.endswith("draws.jsonl"):
            lines = [json.loads(line) for line in data.splitlines()]
            for line in lines:
                del line["verdict"]["seconds"]
            found[name] = json.dumps(lines).encode()
    return {name: data for name, data in found.items() if not name.endswith(("metrics.jsonl", "inputs.json"))}


def results_of(report: GateReport) -> TrainingResults:
    assert isinstance(report.results, TrainingResults), report.headline
    return report.results


# ------------------------------------------------------------------------------------------------- a round


def test_a_round_trains_on_what_passed_beside_arms_that_can_never_be_chosen(model: Scripted, tmp_path: Path) -> None:
    report = run(tmp_path, model)
    found = results_of(report)
    assert report.status == "passed"
    trained = {name: examples for name, examples, _ in model.trained}
    assert list(trained) == ["0", "1", "gold", "unjudged"]
    kept = [json.loads(line) for line in (tmp_path / "gate_c/rounds/1/selected.jsonl").read_text().splitlines()]
    own = [one.answer for one in trained["1"]][12:]
    assert own == [line["output"] for line in kept]
    assert set(own) <= set(model.answers.values()), "what failed is not trained on"
    assert [one.answer for one in trained["gold"]] == [one.answer for one in trained["1"]][:12]
    assert len(trained["unjudged"]) == 24
    assert set(own) < {one.answer for one in trained["unjudged"]} | set(model.answers.values())
    assert [row.name for row in found.checkpoints] == ["step-000002", "round-1_step-000002", "round-1_step-000004"]
    assert [row.name for row in found.controls] == ["round-1_gold_step-000004", "round-1_unjudged_step-000004"]
    assert {arm.steps for arm in found.rounds[0].arms} == {4}, "every arm trains for as many steps"
    assert found.rounds[0].drawer == "step-000002"
    assert found.rounds[0].drawn.samples == model.drawn == 48


def test_failed_answers_alone_are_an_arm_that_is_asked_for(model: Scripted, tmp_path: Path) -> None:
    run(tmp_path, model, "gate.c.rft.failed_only=true")
    name, examples, _ = model.trained[-1]
    assert name == "failed"
    assert examples
    assert all(example.answer.startswith("x = ") for example in examples)


def test_gold_of_solved_tasks_is_left_out_where_asked_and_rows_without_a_task_stay(
    model: Scripted, tmp_path: Path
) -> None:
    report = run(tmp_path, model, "gate.c.rft.gold=only_unsolved", "gate.c.rft.tasks=5")
    arm = results_of(report).rounds[0].arms[0]
    kept = results_of(report).rounds[0].kept_tasks
    assert (arm.own, arm.gold) == (kept, 12 - kept)
    assert next(check.value for check in report.checks if check.name == "rows without a task") == "7 of 12"


def test_the_base_draws_where_there_is_no_drawer_and_tasks_may_be_more_than_rows(
    model: Scripted, tmp_path: Path
) -> None:
    found = results_of(run(tmp_path, model, "gate.c.rft.drawer_steps=0", "gate.c.rft.tasks=20"))
    assert (found.rounds[0].drawer, found.rounds[0].drawn.tasks) == ("base", 20)
    assert [row.round for row in found.checkpoints] == [1, 1]


def test_a_second_round_draws_with_the_first_ones_adapter_and_may_continue_with_it(
    model: Scripted, tmp_path: Path
) -> None:
    found = results_of(run(tmp_path, model, "gate.c.rft.rounds=2", "gate.c.rft.start=previous"))
    assert [facts.drawer for facts in found.rounds] == ["step-000002", "round-1_step-000004"]
    starts = {name: start for name, _, start in model.trained}
    first, second = (tmp_path / f"gate_c/rounds/{n}/checkpoints" for n in (0, 1))
    assert (starts["0"], starts["1"], starts["2"]) == (None, first / "step-000002", second / "step-000004")
    assert starts["gold"] == starts["2"], "a control starts where the round that it is compared with started"
    assert [bool(facts.arms) for facts in found.rounds] == [True, True]
    seeds = [
        {sample.seed for sample in read_samples(tmp_path / f"gate_c/rounds/{number}/draws.jsonl")} for number in (1, 2)
    ]
    assert not seeds[0] & seeds[1], "every round draws anew"


def test_a_round_that_solves_nothing_new_is_the_last_where_asked(model: Scripted, tmp_path: Path) -> None:
    model.right = lambda prompt: 1.0 if len(prompt) % 2 else 0.0
    every = ("gate.c.rft.rounds=3", "gate.c.rft.max_all_pass_pct=100")
    found = results_of(run(tmp_path, model, *every, "gate.c.rft.stop_when=nothing_new"))
    assert [(facts.round, facts.new_solved > 0, len(facts.arms)) for facts in found.rounds] == [
        (1, True, 3),
        (2, False, 0),
    ]


def test_nothing_kept_says_no_with_the_reasons_of_each_family_and_trains_nothing(
    model: Scripted, tmp_path: Path
) -> None:
    model.right = lambda prompt: 0.0
    report = run(tmp_path, model)
    assert (report.status, report.headline) == ("failed", "round 1: no answer was kept, nothing was trained on")
    assert [name for name, _, _ in model.trained] == ["0"], "only what drew was trained"
    assert any(reason.startswith("scaffold: 0 of") and "WRONG" in reason for reason in report.reasons)


# ------------------------------------------------------------------------------------------------- resuming


# Of a run that nothing struck: the same for every place where one is.
WHOLE: dict[str, bytes] = {}


class Struck(BaseException):
    """Where a kill would have been."""


@pytest.mark.parametrize(
    "place",
    ["drawer", "draws", "scores", "selected", "training", "control", "round"],
)
def test_struck_in_any_phase_it_ends_with_the_same_files(
    model: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    struck = {
        "left": {"drawer": 1, "training": 4, "control": 8, "draws": 3, "scores": 1, "selected": 1, "round": 1}[place]
    }

    def strike(real: Callable[..., Any], of: Callable[..., bool] = lambda *_: True) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            if of(*arguments):
                struck["left"] -= 1
                if struck["left"] == 0:
                    raise Struck
            return real(*arguments, **options)

        return call

    with monkeypatch.context() as patch:
        if place in ("drawer", "training", "control"):
            patch.setattr(arms.Hooks, "on_step", strike(arms.Hooks.on_step))
        elif place == "draws":
            patch.setattr("eval.pipeline.loop.append_samples", strike(_append_samples()))
        elif place == "round":
            patch.setattr(rft, "write_atomic", strike(rft.write_atomic))
        else:
            patch.setattr(choosing, "write_atomic", strike(choosing.write_atomic, lambda path, _: place in path.name))
        with pytest.raises(Struck):
            run(tmp_path / "struck", model)
    run(tmp_path / "struck", model)
    ours, whole = files_of(tmp_path / "struck/gate_c"), WHOLE
    if not whole:
        run(tmp_path / "whole", model)
        whole.update(files_of(tmp_path / "whole/gate_c"))
    assert sorted(ours) == sorted(whole)
    assert [name for name in whole if ours[name] != whole[name]] == []


def _append_samples() -> Callable[..., Any]:
    from eval.pipeline import loop

    return loop.append_samples


def test_a_changed_threshold_selects_and_trains_again_and_draws_nothing(model: Scripted, tmp_path: Path) -> None:
    run(tmp_path, model)
    drawn, before = model.drawn, (tmp_path / "gate_c/rounds/1/draws.jsonl").read_bytes()
    (tmp_path / "attempts").mkdir()
    (tmp_path / "gate_c").rename(tmp_path / "attempts/gate_c.1")
    model.trained.clear()
    report = run(tmp_path, model, "gate.c.rft.keep_per_task=2", "gate.c.rft.keep=best_score")
    assert model.drawn == drawn, "no answer was generated"
    assert (tmp_path / "gate_c/rounds/1/draws.jsonl").read_bytes() == before
    assert [name for name, _, _ in model.trained] == ["0", "1", "gold", "unjudged"]
    assert report.status == "passed"


@pytest.mark.parametrize(
    "override", ["gate.c.rft.temperature=0.5", "gate.c.rft.samples=3", "gate.c.rft.drawer_steps=3"]
)
def test_draws_of_something_else_are_drawn_anew(model: Scripted, tmp_path: Path, override: str) -> None:
    run(tmp_path, model)
    drawn = model.drawn
    (tmp_path / "attempts").mkdir()
    (tmp_path / "gate_c").rename(tmp_path / "attempts/gate_c.1")
    run(tmp_path, model, override)
    assert model.drawn > drawn


def test_what_is_rewound_without_a_change_is_drawn_anew(model: Scripted, tmp_path: Path) -> None:
    run(tmp_path, model)
    drawn = model.drawn
    (tmp_path / "attempts").mkdir()
    (tmp_path / "gate_c").rename(tmp_path / "attempts/gate_c.1")
    run(tmp_path, model)
    assert model.drawn == 2 * drawn


def test_a_round_folder_of_another_pool_is_refused(model: Scripted, tmp_path: Path) -> None:
    run(tmp_path, model)
    with pytest.raises(Refusal, match=r"rounds/1 was drawn from another pool"):
        run(tmp_path, model, "dataset.seed=5", "gate.c.rft.drawer_steps=2")


# ------------------------------------------------------------------------------------------------- guards


def test_a_pool_with_a_renamed_test_prompt_blocks_before_anything_is_drawn(
    model: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = dataset_of(compose_experiment(list(SMALL))[0])
    asked = training_tasks(compose_experiment(list(SMALL))[0].dataset, 0)[3]
    leaked = next(task for task in real.tasks if task.split == "test")
    copied = replace(leaked, instruction=f"  {asked.instruction.upper()} ", input=asked.input)
    tasks = tuple(copied if task.id == leaked.id else task for task in real.tasks)
    monkeypatch.setattr(rft, "approved_dataset", lambda context: replace(real, tasks=tasks))
    report = run(tmp_path, model)
    assert report.status == "failed"
    assert report.headline.startswith("training tasks are clean: 1 of")
    assert (model.drawn, model.trained) == (0, [])


@pytest.mark.parametrize(("key", "tier"), [("exact_leaks", "T1"), ("near_leaks", "T3"), ("partial_leaks", "T2")])
def test_an_answer_that_is_an_eval_reference_blocks_by_its_tier_unless_waived(key: str, tier: str) -> None:
    words = [f"word{number}" for number in range(40)]
    reference = " ".join(words)
    changed = {"T1": reference, "T3": " ".join([*words[:-1], "other"]), "T2": " ".join(words[5:25])}[tier]
    task = Task("t", "doc", "k", "c", "test", "Ask.", "", "code", reference, ())
    rows = [Row("Something else", "", changed, "doc", line=1)]
    check = clean_check("clean", [task], rows, {}, "the answers")
    assert check.blocks
    assert any(f"({tier})" in line for line in check.evidence)
    open_keys = dict.fromkeys(("exact_leaks", "near_leaks", "partial_leaks"), "because")
    assert not clean_check("clean", [task], rows, open_keys, "the answers").blocks
    assert clean_check("clean", [task], rows, {**open_keys, key: None}, "the answers").blocks


def test_a_check_that_accepts_a_constant_answer_yields_nothing(recorder: Verifier) -> None:
    tasks = list(training_tasks(compose_experiment(list(SMALL))[0].dataset, 0))
    code = [place for place, task in enumerate(tasks) if task.answer == "code"]
    accepting, failing = code[0], code[1]
    tasks[accepting] = replace(tasks[accepting], checks=(TaskCheck("anything", "local _ = 1"),))
    tasks[failing] = replace(tasks[failing], checks=(TaskCheck("nothing", "fail('never')"),))
    rows = [Row(task.instruction, task.input, task.reference, task.family) for task in tasks]
    pool = sound_pool(tasks, rows, CONSTANTS, recorder)
    assert pool.left_out == {"their own answer fails": 1, "they accept a constant answer": 1}
    assert (len(pool.tasks), pool.unchecked_rows) == (10, 2)
    with pytest.raises(Refusal, match="No training task can be drawn for: 1 since they accept a constant answer"):
        sound_pool([tasks[accepting]], rows, CONSTANTS, recorder)


def test_a_dataset_of_files_has_no_task_to_draw_for(model: Scripted, tmp_path: Path) -> None:
    own = ("dataset=jsonl", "dataset.eval=a.jsonl", "dataset.train=b.jsonl")
    context = context_in(tmp_path, *own)
    rft_dataset = Dataset("jsonl", (), (Row("a", "", "b", "doc"),), "")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rft, "approved_dataset", lambda context: rft_dataset)
        with pytest.raises(Refusal, match="no training row carries checks"):
            rft.run(context)


def test_a_family_that_shrinks_to_half_of_its_share_is_told() -> None:
    def one(task: str, family: str) -> Any:
        return SimpleNamespace(task_id=task, family=family)

    answers = [one(f"{family}{n}", family) for family in ("doc", "repair") for n in range(4)]
    kept = [SimpleNamespace(answer=one(f"doc{n}", "doc")) for n in range(3)]
    selection: Any = SimpleNamespace(kept=[*kept, SimpleNamespace(answer=one("repair0", "repair"))])
    assert shrunk_families(answers, selection) == ["repair from 50% to 25%"]
    selection.kept.append(SimpleNamespace(answer=one("repair1", "repair")))
    assert shrunk_families(answers, selection) == []


def test_programs_that_become_fewer_from_round_to_round_are_told(model: Scripted, tmp_path: Path) -> None:
    model.wrong = "x = {seed}"
    real = Scripted.draw

    def narrowing(self: Scripted, requests: Any, settings: Any) -> Any:
        if len(self.trained) > 1:
            self.wrong = "x = 1"
        return real(self, requests, settings)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Scripted, "draw", narrowing)
        report = run(tmp_path, model, "gate.c.rft.rounds=2")
    [check] = [check for check in report.checks if check.name == "round 2 distinct programs"]
    assert (check.ok, check.level) == (False, "warn")


def test_a_second_verifier_is_one_that_is_installed_and_is_another() -> None:
    settings = verifier_settings(workers=1)
    opened: list[str] = []

    class Other:
        name = "builtin/5.12"
        closed = False

        def __enter__(self) -> Other:
            return self

        def __exit__(self, *_: object) -> None:
            self.closed = True

    other = Other()

    def open_one(domain: Any, wanted: Any) -> Any:
        opened.append(wanted.name)
        if wanted.name == "engine":
            raise Refusal("not installed")
        return other

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(choosing, "open_verifier", open_one)
        with second_verifier(DOMAIN, settings, SimpleNamespace(name="recorder/luajit21")) as found:  # type: ignore[arg-type]
            assert found is other
        assert (opened, other.closed) == (["engine", "builtin"], True)
        patch.setattr(choosing, "open_verifier", lambda *_: (_ for _ in ()).throw(Refusal("none")))
        with second_verifier(DOMAIN, settings, SimpleNamespace(name="recorder/luajit21")) as found:  # type: ignore[arg-type]
            assert found is None


# ------------------------------------------------------------------------------------------------- what it depends on


def test_keys_of_rejection_sampling_reach_no_result_of_supervised_fine_tuning() -> None:
    plain = compose_experiment([])[1]
    rounds = compose_experiment(["gate/c=rft"])[1]
    gate = GATES["c"]
    assert gate.own_keys(plain).keys() == {"lora", "train", "watch"}
    back = {**rounds, "gate": {**rounds["gate"], "c": {**rounds["gate"]["c"], "recipe": "sft"}}}
    assert digest(gate.own_keys(back)) == digest(gate.own_keys(plain))
    changed = compose_experiment(["gate/c=rft", "gate.c.rft.threshold=0.5"])[1]
    assert digest(gate.own_keys(changed)) != digest(gate.own_keys(rounds))
    assert set(gate.uses_under(rounds)) - set(gate.uses_under(plain)) == {"verifier", "sampling"}


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("gate.c.rft.samples=1", "gate.c.rft.samples: must be at least 2: of one answer a task nothing can be chosen"),
        ("gate.c.rft.threshold=1.5", "gate.c.rft.threshold: must be"),
        ("gate.c.rft.keep=longest", "gate.c.rft.keep: must be 'shortest', 'best_score' or 'all_distinct'"),
        ("gate.c.rft.rounds=0", "gate.c.rft.rounds: must be"),
    ],
)
def test_bad_values_are_refused_by_their_key(override: str, says: str) -> None:
    with pytest.raises(Refusal) as refused:
        compose_experiment(["gate/c=rft", override])
    assert says in refused.value.sentence


def test_a_recipe_without_its_keys_is_refused_with_the_way_to_them() -> None:
    with pytest.raises(Refusal, match="choose gate/c=rft"):
        compose_experiment(["gate.c.recipe=rft"])


def test_outcomes_that_nobody_could_judge_end_the_gate_where_they_are_many(
    model: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gates.c_training.rounds import drawing

    def lost(*arguments: Any) -> Any:
        return [
            replace(sample, verdict=replace(sample.verdict, outcome=Outcome.HARNESS_ERROR, detail="gone"))
            for sample in real(*arguments)
        ]

    real = drawing.measure
    monkeypatch.setattr(drawing, "measure", lost)
    with pytest.raises(Refusal, match=r"48 of 48 answers could not be verified \(limit 1.0%\): gone"):
        run(tmp_path, model)
