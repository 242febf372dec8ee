"""Judge one stored completion again, so that a reader of a report sees its verdict come about; nothing is changed."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from env.refusal import Refusal, choices_hint
from eval.pipeline.loop import judge, read_samples
from eval.pipeline.verifier import open_verifier
from eval.records import Candidate, Sample, Task, Verdict
from gates.measuring.bench import dataset_of
from gates.rejudging import MEASURING_GATES
from gates.settings import Experiment


@dataclass(frozen=True, slots=True)
class Replay:
    """One sample judged twice: as stored in ``file``, and now.

    Attributes:
        candidate, verdict: what is extracted from the stored completion today, and what became of it.
    """

    file: str
    task: Task
    sample: Sample
    candidate: Candidate
    verdict: Verdict

    @property
    def stands(self) -> bool:
        """Whether the outcome is the stored one."""
        return self.verdict.outcome is self.sample.verdict.outcome

    def to_json(self) -> dict[str, Any]:
        """Return plain data: the sample as stored, what it was asked for, and the verdict of now."""
        return {
            "file": self.file,
            "stands": self.stands,
            "instruction": self.task.instruction,
            "input": self.task.input,
            "reference": self.task.reference,
            "sample": self.sample.to_json(),
            "candidate": asdict(self.candidate),
            "verdict": asdict(self.verdict),
        }


def replay(
    run_dir: Path, experiment: Experiment, gate: str, task_id: str, index: int, cell: str = "", verifier_name: str = ""
) -> Replay:
    """Judge one stored sample of ``gate`` again, in the sandbox and by the task's own checks.

    Args:
        cell: which cell's, where the gate measured several; "" where it measured one.
        verifier_name: another verifier than the experiment's; "" is the same.

    Raises:
        Refusal: there is no such sample, or its task is no longer in the dataset.
    """
    file, sample = _find(run_dir, gate, task_id, index, cell)
    tasks = {task.id: task for task in dataset_of(experiment).tasks}
    if task_id not in tasks:
        raise Refusal(f"The dataset no longer has the task {task_id}.", "Restore the dataset's files.")
    settings = replace(experiment.verifier, name=verifier_name) if verifier_name else experiment.verifier
    with open_verifier(replace(settings, workers=1)) as verifier:
        [(candidate, verdict)] = judge([(tasks[task_id], sample.completion.text)], verifier)
    return Replay(file.relative_to(run_dir).as_posix(), tasks[task_id], sample, candidate, verdict)


def _find(run_dir: Path, gate: str, task_id: str, index: int, cell: str) -> tuple[Path, Sample]:
    if gate not in MEASURING_GATES:
        raise Refusal(f"Gate {gate.upper()} stores no samples.", "Gates that do: B, D, E.")
    stored = [
        (file, sample)
        for file in sorted((run_dir / f"gate_{gate}").rglob("samples.jsonl"))
        for sample in read_samples(file)
    ]
    arms = sorted({sample.arm for _, sample in stored})
    wanted = cell or (arms[0] if len(arms) == 1 else "")
    if stored and wanted not in arms:
        said = f'"{cell}" is none of its arms' if cell else f"it measured {len(arms)} cells"
        raise Refusal(f"Gate {gate.upper()}: {said}.", f"Say which with --cell: {', '.join(arms)}.")
    of_task = [(file, sample) for file, sample in stored if sample.arm == wanted and sample.task_id == task_id]
    if not of_task:
        known = sorted({sample.task_id for _, sample in stored})
        hint = choices_hint(task_id, known) if known else "`python -m runner advance`."
        raise Refusal(f'Gate {gate.upper()} of {run_dir.name} has no samples of a task "{task_id}".', hint)
    found = next((pair for pair in of_task if pair[1].index == index), None)
    if found is None:
        there = f"{min(s.index for _, s in of_task)} to {max(s.index for _, s in of_task)}"
        raise Refusal(f"Task {task_id} has no sample {index}.", f"It has samples {there}.")
    return found
