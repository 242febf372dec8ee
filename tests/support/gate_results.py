"""The smallest results that each gate can leave, for tests of what reads one part of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from eval.decision.cells import cell_from_name
from eval.decision.guards import Canary
from eval.decision.regressions import Movers
from eval.decision.ruling import Ruling
from eval.decision.verdict import Decision
from eval.estimation.intervals import Estimate
from eval.overlap.contamination import Status
from eval.records import EvalResult, Metric
from gates.report.results import (
    Arms,
    BaseFacts,
    BaselineResults,
    CellFacts,
    CheckpointFacts,
    ChosenCell,
    ContaminationFacts,
    DatasetFacts,
    DecisionResults,
    EnvironmentResults,
    JudgeFacts,
    Leak,
    ModelProbe,
    SampleProbe,
    SearchFacts,
    SweepResults,
    TaskFacts,
    TrainingFacts,
    TrainingResults,
)

BASE = BaseFacts(
    digest="5c" * 32,
    parts={"config": "11" * 32, "weights": "22" * 32, "tokenizer": "33" * 32},
    parameters=1_969_344,
)
JUDGE = JudgeFacts(verifier="recorder/luajit21", isolation="process+rlimits+seccomp")


def dataset_facts(**changes: object) -> DatasetFacts:
    """Return what Gate A says of a dataset."""
    facts = DatasetFacts(
        name="luanti_mini", digest="9e" * 32, tasks=24, rows=800, dev_tasks=12, test_tasks=12, dev_clusters=12,
        test_clusters=12, families={"scaffold": 24}, excluded=(), notes=(),
    )  # fmt: skip
    return facts.model_copy(update=changes)


def contamination_facts(contaminated: Sequence[str], total: int) -> ContaminationFacts:
    """Return what Gate A says where training has seen these tasks word for word."""
    return ContaminationFacts(
        counts={Status.CLEAN: total - len(contaminated), Status.CONTAMINATED: len(contaminated)},
        tasks={task_id: Leak(status=Status.CONTAMINATED, tier="T1") for task_id in contaminated},
        overlaps=(),
    )


def environment_results(
    base: BaseFacts = BASE, contaminated: Sequence[str] = (), dataset: DatasetFacts | None = None
) -> EnvironmentResults:
    """Return Gate A's, without a rule."""
    dataset = dataset or dataset_facts()
    return EnvironmentResults(
        dataset=dataset,
        contamination=contamination_facts(contaminated, dataset.tasks),
        frozen=None,
        probe=model_probe(base),
    )


def model_probe(base: BaseFacts = BASE) -> ModelProbe:
    """Return what the look at the model found."""
    sample = SampleProbe(
        task_id="dev-1", prompt="Register a node.", completion="core.register_node(...)", tokens=9, finish="stop",
        outcome="PASSED", detail="", verifier=JUDGE.verifier, isolation=JUDGE.isolation,
    )  # fmt: skip
    return ModelProbe(base=base, loss=1.42, adapter=None, sample=sample)


def baseline_results(base: BaseFacts = BASE, judge: JudgeFacts = JUDGE) -> BaselineResults:
    """Return Gate B's, of no task."""
    return BaselineResults(base=base, judge=judge, splits={"dev": EvalResult("base", "dev", (), ())})


def training_results(checkpoints: Mapping[int, str], base: BaseFacts = BASE) -> TrainingResults:
    """Return Gate C's, of these checkpoints: step to digest."""
    return TrainingResults(
        base=base,
        checkpoints=tuple(
            CheckpointFacts(step=step, folder=f"gate_c/checkpoints/step-{step:06d}", digest=digest, loss=0.4)
            for step, digest in checkpoints.items()
        ),
        training=TrainingFacts(
            steps=max(checkpoints, default=0), examples=800, dropped=0, dropped_rows=(), trainable_parameters=49152,
            trainable_patterns={}, targets=8, sessions=(1, 2), loss_at_start=1.7, loss_at_end=0.4,
            loss_window_steps=10, quarantined=(),
        ),
    )  # fmt: skip


def chosen_cell(name: str, why: str = "it is the best") -> ChosenCell:
    """Return a chosen cell by its name."""
    cell = cell_from_name(name)
    return ChosenCell(cell=name, step=cell.step, scale=cell.scale, why=why)


def grid_search(cells: int, tasks: int, per_task: int) -> SearchFacts:
    """Return the search in which every cell met every task."""
    drawn = cells * tasks * per_task
    return SearchFacts(
        method="grid", reason="gate.d.search=grid", rounds=(), samples=drawn, planned_samples=drawn, grid_samples=drawn
    )


def sweep_results(chosen: str, cells: Sequence[CellFacts] = (), base: BaseFacts = BASE) -> SweepResults:
    """Return Gate D's, of a chosen cell."""
    return SweepResults(
        base=base,
        judge=JUDGE,
        k=5,
        cells=tuple(cells),
        search=grid_search(len(cells), 0, 5),
        chosen=chosen_cell(chosen),
    )


def cell_facts(name: str, gain: float | None) -> CellFacts:
    """Return a cell of which only the gain (pp) is told."""
    cell = cell_from_name(name)
    return CellFacts(
        cell=name, step=cell.step, scale=cell.scale, tasks=0, dropped_after=None,
        result=EvalResult(name, "dev", (), ()), gain=Metric("gain", gain, None, None, "pp", 0, 5), lower=None,
    )  # fmt: skip


def decision_results(verdict: str, cell: str, instructions: Sequence[str] = ()) -> DecisionResults:
    """Return Gate E's, with this verdict on this cell and one task for each instruction."""
    nothing = EvalResult("base", "test", (), ())
    return DecisionResults(
        base=BASE, judge=JUDGE, chosen=chosen_cell(cell), split="test", canary=Canary(1.0, 0.0, 8), openings=(),
        arms=Arms(base=nothing, cell=nothing), tasks=tuple(map(task_facts, instructions)), groups=(),
        movers=Movers((), ()), decision=made_decision(verdict, cell), recommendations=(),
    )  # fmt: skip


def made_decision(verdict: str, cell: str) -> Decision:
    """Return a decision of which only verdict, headline and cell mean something."""
    estimate = Estimate(0.3, 0.1, 0.1, 0.5, 0.1, 0.5, 10, 10, 5, "zero variance")
    return Decision(
        verdict=Ruling(verdict), strong=False, headline=f"{verdict}: pass@5 30% → 60%", cell=cell, k=5, margin=0.15,
        gain=estimate, base=estimate, adapter=estimate, families=(), guards=(), reasons=(), clusters_needed=None,
        more_clusters=None, detectable_gain=None, method="test split", rule_digest="0f" * 32,
    )  # fmt: skip


def task_facts(instruction: str) -> TaskFacts:
    """Return a task of which only the instruction means something."""
    return TaskFacts(
        task_id="test-1", family="scaffold", kind="node", difficulty=1, cluster="c", instruction=instruction, input="",
        reference="", answer="code", digest="", contamination="", base_c=0, base_n=5, cell_c=5, cell_n=5,
    )  # fmt: skip
