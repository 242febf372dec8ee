"""Reading a run's artifacts for a report: what is damaged is named, never raised."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml

from env.files import read_lines
from env.refusal import Refusal
from eval.decision.rule import DecisionRule
from eval.records import Sample, sample_from_json
from gates.report import GateReport, changed_artifacts, read_report
from gates.report.results import (
    AnyResults,
    BaseFacts,
    BaselineResults,
    DecisionResults,
    EnvironmentResults,
    JudgeFacts,
    SweepResults,
    TrainingResults,
    gate_of,
)
from runner.runs.folder import Run
from runner.runs.state_machine import GATES
from runner.validity.intactness import report_changes

T = TypeVar("T")
R = TypeVar("R", bound=AnyResults)
# What reading a file of an unexpected shape can raise.
FOREIGN = (KeyError, TypeError, ValueError, IndexError, AttributeError)
NOTHING: tuple[Any, ...] = ()
_NAMED_LINES = 3


@dataclass(frozen=True, slots=True)
class Artifacts:
    """The readable reports of a run by gate, and what was found wrong with the folder so far."""

    run: Run
    reports: dict[str, GateReport]
    problems: list[str] = field(default_factory=list)

    def results(self, kind: type[R]) -> R | None:
        """Return the results of this ``kind``; None where their gate has no readable report, or found none."""
        report = self.reports.get(gate_of(kind))
        return report.results if report is not None and isinstance(report.results, kind) else None

    @property
    def rule(self) -> DecisionRule | None:
        """Return the rule that Gate A froze; None before it has passed."""
        found = self.results(EnvironmentResults)
        return None if found is None or found.frozen is None else found.frozen.rule

    @property
    def base(self) -> BaseFacts | None:
        """Return the base that was measured or trained; None before Gate B."""
        kinds = (BaselineResults, TrainingResults, SweepResults, DecisionResults)
        return next((results.base for kind in kinds if (results := self.results(kind)) is not None), None)

    @property
    def judge(self) -> JudgeFacts | None:
        """Return the verifier of the decision's samples; before Gate E the baseline's."""
        results = self.results(DecisionResults) or self.results(BaselineResults)
        return None if results is None else results.judge

    def section(self, what: str, make: Callable[[Artifacts], T], otherwise: T) -> T:
        """Return ``make``'s part of the report; data that contradicts itself costs that part and is named."""
        try:
            return make(self)
        except FOREIGN as error:
            self.problems.append(f"{what}: left out, its data has not the expected shape ({error!r}).")
        except Refusal as refusal:
            self.problems.append(f"{what}: left out: {refusal.sentence}")
        return otherwise


def read_artifacts(run: Run) -> Artifacts:
    """Read every gate's report and compare it with the journal and with the bytes of its artifacts."""
    found = Artifacts(run, {})
    for gate in GATES:
        path = run.gate_folder(gate) / "report.json"
        try:
            report = read_report(path)
        except Refusal as refusal:
            found.problems.append(refusal.sentence.replace(f"{run.folder}/", ""))
            continue
        if report is None:
            if run.has_concluded(gate):
                found.problems.append(
                    f"{_inside(run, path)} is missing, though the journal says gate {gate.upper()} concluded."
                )
            continue
        found.reports[gate] = report
        found.problems.extend(report_changes(run, report))
        found.problems.extend(changed_artifacts(run.folder, report))
    return found


def read_sample_lines(found: Artifacts, path: Path) -> list[Sample]:
    """Return the samples of a file, each (arm, task, index) once; damaged lines are left out and named."""
    samples: dict[tuple[str, str, int], Sample] = {}
    for sample in _parsed(found, path, sample_from_json, "sample"):
        samples.setdefault((sample.arm, sample.task_id, sample.index), sample)
    return list(samples.values())


def read_json_lines(found: Artifacts, path: Path) -> list[dict[str, Any]]:
    """Return the objects of a JSON lines file; damaged lines are left out and named."""
    return _parsed(found, path, dict, "record")


def _parsed(found: Artifacts, path: Path, parse: Callable[[Any], T], kind: str) -> list[T]:
    if not path.is_file():
        return []
    name = _inside(found.run, path)
    try:
        lines = read_lines(path)
        if _is_torn(path) and not _is_being_written(found.run, name):
            found.problems.append(f"{name}: its last line is torn (a write was cut off); read without it.")
    except (Refusal, OSError) as error:
        found.problems.append(f"{name} cannot be read: {error}")
        return []
    records, bad = [], []
    for number, text in enumerate(lines, start=1):
        try:
            records.append(parse(json.loads(text)))
        except FOREIGN:
            bad.append(number)
    if bad:
        named = ", ".join(map(str, bad[:_NAMED_LINES])) + (", …" if len(bad) > _NAMED_LINES else "")
        found.problems.append(
            f"{name}: {len(bad)} of {len(lines)} lines hold no valid {kind} (line {named}); read without them."
        )
    return records


def _is_being_written(run: Run, name: str) -> bool:
    """Whether a file belongs to a gate that has not concluded: a cut-off line there is completed or dropped later."""
    gate = name.removeprefix("gate_")[:1]
    return gate in GATES and not run.has_concluded(gate)


def _is_torn(path: Path) -> bool:
    with path.open("rb") as stream:
        stream.seek(0, 2)
        if stream.tell() == 0:
            return False
        stream.seek(-1, 2)
        return stream.read(1) != b"\n"


def _inside(run: Run, path: Path) -> str:
    return path.relative_to(run.folder).as_posix()


def read_config(found: Artifacts) -> dict[str, Any]:
    """Return the resolved configuration as plain data.

    Raises:
        ValueError: config.yaml is missing or not a mapping.
    """
    try:
        config = yaml.safe_load(found.run.file("config.yaml").read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ValueError(str(error)) from None
    if not isinstance(config, dict):
        raise ValueError("not a mapping")
    return config
