"""The marks and findings of a run's stored samples: computed when they are read, stored nowhere.

So every run has them, older ones too; resuming, digests and reuse know nothing of them; and other weights cost a look,
not a measurement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from typing import Any

import yaml

from env.refusal import Refusal
from eval.domains import DOMAINS, dataset_names, domain_named, scorer_of
from eval.pipeline.scoring import Answered, Scorer, Scores, ScoreWeights, scores_of, weighted
from eval.records import Outcome, Sample
from runner.runs.locations import CONF

SampleId = tuple[str, str, int]
"""Arm, task id and index."""
WEIGHTS = CONF / "scores.yaml"


@dataclass(frozen=True, slots=True)
class SampleReading:
    """What reading a sample tells beside its verdict: its marks with their weighted total, and findings of its own."""

    marks: Scores
    total: float
    findings: tuple[str, ...]


def read_samples(
    samples: Sequence[Sample], inputs: Mapping[str, str], config: Mapping[str, Any]
) -> dict[SampleId, SampleReading]:
    """Return what reading the samples of a run tells; those that could not be judged, or without input, are left out.

    Raises:
        Refusal: the weights are wrong, the dataset is unknown, or the domain's reader is not installed.
    """
    scorer, weights = scorer_of_run(config), read_weights()
    readings: dict[SampleId, SampleReading] = {}
    for sample in samples:
        marks = marks_of(sample, inputs[sample.task_id], scorer) if sample.task_id in inputs else None
        if marks is not None:
            found = findings_of(sample, scorer)
            readings[sample.arm, sample.task_id, sample.index] = SampleReading(marks, weighted(marks, weights), found)
    return readings


def read_weights() -> ScoreWeights:
    """Return the weights of conf/scores.yaml. Raises Refusal where it lacks one, has another key or no numbers."""
    known = [each.name for each in fields(ScoreWeights)]
    try:
        given = yaml.safe_load(WEIGHTS.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise Refusal(f"{WEIGHTS} cannot be read: {error}.", "Restore it.") from None
    if not isinstance(given, dict):
        raise Refusal(f"{WEIGHTS} holds no weights.", f"It needs {', '.join(known)}, each with a number.")
    problems = [f"{key}: no such weight{_nearest(key, known)}" for key in given if key not in known]
    problems += [f"{key}: not set" for key in known if key not in given]
    numbers = {key: value for key, value in given.items() if isinstance(value, int | float) and value is not True}
    problems += [f"{key} = {given[key]!r}: not a number" for key in known if key in given.keys() - numbers.keys()]
    if problems:
        raise Refusal(f"{WEIGHTS}: {'; '.join(problems).rstrip('.')}.")
    return ScoreWeights(**{key: float(numbers[key]) for key in known})


def _nearest(key: object, known: list[str]) -> str:
    near = get_close_matches(str(key), known, 1)
    return f', nearest is "{near[0]}"' if near else ""


def scorer_of_run(config: Mapping[str, Any]) -> Scorer:
    """Return what marks the programs of a run with this plain configuration.

    Raises:
        Refusal: the configuration names no dataset that is known.
    """
    section = config.get("dataset") or {}
    # runs from before files could name their domain were of the first one
    domain = dataset_names().get(section.get("name", "")) or section.get("domain") or next(iter(DOMAINS))
    return scorer_of(domain_named(domain))


def with_findings(sample: Sample, scorer: Scorer) -> Sample:
    """Return a sample whose findings are those of its verdict and those of reading its program, for a reader."""
    new = findings_of(sample, scorer)
    return (
        replace(sample, verdict=replace(sample.verdict, findings=(*sample.verdict.findings, *new))) if new else sample
    )


def findings_of(sample: Sample, scorer: Scorer) -> tuple[str, ...]:
    """Return what reading a sample's program finds beyond its verdict; () where it does not compile."""
    code = sample.candidate.code
    read = scorer.findings(code) if code is not None and sample.verdict.outcome is not Outcome.SYNTAX_ERROR else ()
    return tuple(finding for finding in read if finding not in sample.verdict.findings)


def marks_of(sample: Sample, task_input: str, scorer: Scorer) -> Scores | None:
    """Return the marks of a stored sample; None where it could not be judged."""
    return scores_of(Answered(task_input, sample.candidate, sample.verdict), scorer)
