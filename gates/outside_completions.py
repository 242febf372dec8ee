"""Completions that were made elsewhere, judged and estimated as a gate does: the same tasks, verifier and intervals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from env.files import digest, sha256_file
from env.silence import turn_to
from eval.estimation.estimators import paired_gains
from eval.estimation.intervals import estimate_gain, gain_metric
from eval.interop.completions import Given, read_completions
from eval.pipeline.loop import judge
from eval.pipeline.result import evaluate
from eval.pipeline.stored_samples import append_samples, read_samples
from eval.records import EvalResult, Metric, Sample, Split, Task
from gates.measuring.bench import dataset_of, domain_of_experiment, open_judge, require_right_instrument
from gates.settings import Experiment

SCHEMA_VERSION = 1
# Judged between two writes: what a kill costs.
BATCH = 200


@dataclass(frozen=True, slots=True)
class Scored:
    """What a file of completions comes to.

    Attributes:
        results: of each arm on each split of which it has completions.
        gains: of each further arm over the first one, paired by task, as pass@k in "pp".
        unscored: of each arm and split the tasks without a completion: they count nowhere.
    """

    dataset: str
    digest: str
    verifier: str
    isolation: str
    results: tuple[EvalResult, ...]
    gains: Mapping[str, tuple[Metric, ...]]
    unscored: Mapping[str, int]

    @property
    def harness_errors(self) -> int:
        """Return how many completions could not be judged."""
        return sum(result.harness_errors for result in self.results)

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {"schema_version": SCHEMA_VERSION, **asdict(self)}


def store_named(experiment: Experiment, file: Path) -> str:
    """Return what a folder of scores is named by: the same file under the same tasks and verifier has the same name."""
    known = {
        "file": sha256_file(file),
        "dataset": dataset_of(experiment).digest,
        "verifier": asdict(experiment.verifier),
    }
    return f"{file.stem}-{digest(known)[:12]}"


def score_completions(experiment: Experiment, file: Path, store: Path) -> Scored:
    """Judge the completions of ``file`` and return their metrics.

    Samples are appended to ``store``/samples.jsonl as they are judged; what it holds already is not judged again.

    Raises:
        Refusal: a line is no completion of one of the experiment's tasks, or the verifier is wrong about known answers.
    """
    dataset = dataset_of(experiment)
    tasks = {task.id: task for task in dataset.tasks}
    given = read_completions(file, tasks)
    samples_file = store / "samples.jsonl"
    stored = {(sample.arm, sample.task_id, sample.index): sample for sample in read_samples(samples_file)}
    todo = [one for one in given if (one.arm, one.task_id, one.index) not in stored]
    with open_judge(experiment) as verifier:
        turn_to("testing the verifier on known answers")
        asked = {one.task_id for one in given}
        chosen = [task for task in dataset.tasks if task.id in asked]
        require_right_instrument(chosen, verifier, domain_of_experiment(experiment).constant_answers)
        for start in range(0, len(todo), BATCH):
            batch = todo[start : start + BATCH]
            turn_to(f"judging completions {start + 1:,} to {start + len(batch):,} of {len(todo):,}")
            judged = judge([(tasks[one.task_id], one.completion.text) for one in batch], verifier)
            samples = [
                Sample(one.task_id, one.index, one.arm, one.seed, one.completion, candidate, verdict)
                for one, (candidate, verdict) in zip(batch, judged, strict=True)
            ]
            append_samples(samples_file, samples, len(todo) - start)
        judged_by = (verifier.name, verifier.isolation)
    results = _results(read_samples(samples_file), given, dataset.tasks, experiment)
    return Scored(
        dataset.name,
        dataset.digest,
        *judged_by,
        results,
        _gains(results),
        {f"{result.arm} {result.split}": len(result.missing_tasks) for result in results if result.missing_tasks},
    )


def _results(
    samples: Sequence[Sample], given: Sequence[Given], tasks: Sequence[Task], experiment: Experiment
) -> tuple[EvalResult, ...]:
    """Return each arm's result on each split, the arms in the order of the file."""
    turn_to("estimating")
    split_of: dict[str, Split] = {task.id: task.split for task in tasks}
    measured = dict.fromkeys((one.arm, split_of[one.task_id]) for one in given)
    results = []
    for arm, split in measured:
        counts = Counter(one.task_id for one in given if one.arm == arm and split_of[one.task_id] == split)
        most = max(counts.values())
        ks = sorted({k for k in (1, experiment.rule.k, most) if k <= most})
        results.append(evaluate(samples, tasks, arm, split, ks))
    return tuple(results)


def _gains(results: Sequence[EvalResult]) -> dict[str, tuple[Metric, ...]]:
    """Return the gains of each further arm over the first one of the same split."""
    first: dict[str, EvalResult] = {}
    gains = {}
    for result in results:
        base = first.setdefault(result.split, result)
        if base is result:
            continue
        ks = [metric.k for metric in result.metrics if metric.k in {one.k for one in base.metrics}]
        gains[f"{result.arm} over {base.arm} on {result.split}"] = tuple(
            gain_metric(f"pass@{k}", estimate_gain(paired_gains(base.scores, result.scores, k)))
            for k in ks
            if k is not None
        )
    return gains
