"""Judge stored completions again, without any model, and say where the verdicts differ; nothing stored is changed."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from env.files import make_folder, write_atomic
from env.refusal import Refusal
from eval.pipeline.loop import judge, read_samples
from eval.pipeline.verifier import open_verifier
from eval.records import Dataset, Outcome, Sample, Verdict
from gates.measuring.bench import dataset_of
from gates.settings import Experiment

SCHEMA_VERSION = 1
MEASURING_GATES = ("b", "d", "e")
# Judged at a time: enough to keep every worker busy, few enough to bound memory.
BATCH = 500


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One sample whose outcome is another now: before and after, each with what was said about it."""

    file: str
    task_id: str
    arm: str
    index: int
    before: Outcome
    after: Outcome
    before_detail: str
    after_detail: str


@dataclass(frozen=True, slots=True)
class Rejudgement:
    """What judging again gave.

    Attributes:
        verifier, isolation: what judged this time; ``judged_by`` counts what judged the stored verdicts.
        flips: disagreements that change a pass into something else or the reverse: these change numbers.
    """

    gate: str
    samples: int
    verifier: str
    isolation: str
    judged_by: dict[str, int]
    disagreements: tuple[Disagreement, ...]

    @property
    def flips(self) -> tuple[Disagreement, ...]:
        """Return the disagreements that change whether a sample passed."""
        return tuple(d for d in self.disagreements if (d.before is Outcome.PASSED) != (d.after is Outcome.PASSED))


def rejudge(run_dir: Path, experiment: Experiment, gate: str, verifier_name: str) -> Rejudgement:
    """Judge every stored sample of ``gate`` again.

    Args:
        verifier_name: another verifier than the experiment's; "" is the same.

    Raises:
        Refusal: the gate stores no samples, or a sample's task is no longer in the dataset.
    """
    if gate not in MEASURING_GATES:
        raise Refusal(f"Gate {gate.upper()} stores no samples.", "Gates that do: B, D, E.")
    stored = [
        (file.relative_to(run_dir).as_posix(), sample)
        for file in sorted((run_dir / f"gate_{gate}").rglob("samples.jsonl"))
        for sample in read_samples(file)
    ]
    if not stored:
        raise Refusal(f"Gate {gate.upper()} of {run_dir.name} has no samples yet.", "`python -m runner advance`.")
    settings = replace(experiment.verifier, name=verifier_name) if verifier_name else experiment.verifier
    with open_verifier(settings) as verifier:
        verdicts = _judge_all(stored, dataset_of(experiment), verifier)
        judged_by = Counter(sample.verdict.verifier for _, sample in stored)
        return Rejudgement(
            gate, len(stored), verifier.name, verifier.isolation, dict(judged_by), _differences(stored, verdicts)
        )


def _judge_all(stored: list[tuple[str, Sample]], dataset: Dataset, verifier: Any) -> list[Verdict]:
    tasks = {task.id: task for task in dataset.tasks}
    lost = sorted({sample.task_id for _, sample in stored} - tasks.keys())
    if lost:
        raise Refusal(f"The dataset no longer has the tasks {', '.join(lost[:5])}.", "Restore the dataset's files.")
    verdicts: list[Verdict] = []
    for start in range(0, len(stored), BATCH):
        batch = [(tasks[sample.task_id], sample.completion.text) for _, sample in stored[start : start + BATCH]]
        verdicts += [verdict for _, verdict in judge(batch, verifier)]
    return verdicts


def _differences(stored: list[tuple[str, Sample]], verdicts: list[Verdict]) -> tuple[Disagreement, ...]:
    return tuple(
        Disagreement(
            file,
            sample.task_id,
            sample.arm,
            sample.index,
            sample.verdict.outcome,
            verdict.outcome,
            sample.verdict.detail,
            verdict.detail,
        )
        for (file, sample), verdict in zip(stored, verdicts, strict=True)
        if sample.verdict.outcome is not verdict.outcome
    )


def write_rejudgement(run_dir: Path, found: Rejudgement) -> Path:
    """Write rejudge/gate_x.N.json under the next free number; earlier ones stay."""
    folder = run_dir / "rejudge"
    make_folder(folder)
    number = 1
    while (path := folder / f"gate_{found.gate}.{number}.json").exists():
        number += 1
    document = {"schema_version": SCHEMA_VERSION, **asdict(found), "flips": len(found.flips)}
    write_atomic(path, json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    return path
