"""Whether a judge may be believed: its grades of programs whose verdict by execution is known. Pure but for its file.

Admitted is a judge whose balanced accuracy is at least 0.70 with 95% confidence, by Wilson's one-sided bound, and whose
area under the ROC curve is at least 0.75, on at least 200 graded programs. Not covered: that it is as right about the
programs of another domain, or about differences among programs that all pass.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from env.files import digest, write_atomic
from env.refusal import Refusal
from eval.judge.answers import Answer, Grades, Pair, by_content
from eval.judge.ledger import FOLDER

FEWEST, LOWEST_ACCURACY, LOWEST_AUC = 200, 0.70, 0.75
# From here on a grade says that the program passes: the rubric's form says so.
PASSING = 0.5
# One-sided 95% of the normal distribution.
_Z = 1.6448536269514722
SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Known:
    """An answer whose verdict by execution is known."""

    answer: Answer
    passed: bool


@dataclass(frozen=True, slots=True)
class Graded:
    """One known answer, graded: its content, its verdict, its grade (0 to 1) and its length in characters."""

    content: str
    passed: bool
    grade: float
    length: int


@dataclass(frozen=True, slots=True)
class Figures:
    """How well grades agree with execution; None where undefined.

    Attributes:
        graded: answers with a grade, ``passed`` of them by execution; ``missing`` have none.
        balanced_accuracy: the mean of the shares of passing and failing answers that are told right, 0 to 1.
        lower: its one-sided 95% bound, at the number of answers that count as independent, ``effective``.
        auc: how often a passing answer is graded above a failing one, a tie counting half.
        length_correlation: Spearman's, of grade and length; ``length_auc``: ``auc`` if length were the grade.
        order_agreement: share of pairs of which the same program is the better one in both orders, or neither is.
        repeat_agreement: share of programs that, asked again, keep their side of ``PASSING``; ``repeated`` of them.
    """

    graded: int
    passed: int
    missing: int
    balanced_accuracy: float | None
    lower: float | None
    effective: float
    auc: float | None
    length_correlation: float | None
    length_auc: float | None
    order_agreement: float | None
    repeat_agreement: float | None
    repeated: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a judge was found to be; it holds for ``judge`` (model, prompt, sampling) and ``domain`` alone.

    Attributes:
        answered_by: the names by which the server said that it answered.
        reasons: why it is not admitted, one sentence each; () admits it.
        pool: where the known answers came from; ``verifier`` executed them.
        evidence: every graded answer.
    """

    judge: Mapping[str, object]
    domain: str
    rubric: str
    answered_by: tuple[str, ...]
    figures: Figures
    reasons: tuple[str, ...]
    pool: str
    verifier: str
    evidence: tuple[Graded, ...]

    @property
    def admitted(self) -> bool:
        """Whether grades of this judge may count."""
        return not self.reasons


def figures_of(
    known: Sequence[Known],
    grades: Mapping[Pair, Grades | None],
    again: Mapping[Pair, Grades | None],
    agreeing: Sequence[bool],
) -> tuple[Figures, tuple[Graded, ...]]:
    """Return the figures of known answers that were graded in pairs, and each answer with its grade.

    Args:
        again: grades of pairs that were asked once more.
        agreeing: of each pair whether both orders prefer the same program.
    """
    found = by_content(grades)
    graded = tuple(
        Graded(one.answer.content, one.passed, found[one.answer.content], len(one.answer.code))
        for one in known
        if one.answer.content in found
    )
    passed, values = np.array([one.passed for one in graded]), np.array([one.grade for one in graded])
    lengths = np.array([one.length for one in graded], dtype=np.float64)
    effective = _independent(passed) / _pair_effect(graded, grades)
    accuracy = balanced_accuracy(passed, values)
    repeated = by_content(again)
    kept = [
        (found[content] >= PASSING) == (grade >= PASSING) for content, grade in repeated.items() if content in found
    ]
    return Figures(
        graded=len(graded),
        passed=int(passed.sum()) if graded else 0,
        missing=len(known) - len(graded),
        balanced_accuracy=accuracy,
        lower=None if accuracy is None else wilson_lower(accuracy, effective),
        effective=effective,
        auc=area_under_roc(passed, values),
        length_correlation=spearman(values, lengths),
        length_auc=area_under_roc(passed, lengths),
        order_agreement=_share(agreeing),
        repeat_agreement=_share(kept),
        repeated=len(kept),
    ), graded


def reasons_against(found: Figures) -> tuple[str, ...]:
    """Return why a judge with these figures is not admitted, one sentence each; () where it is."""
    reasons = []
    if found.graded < FEWEST:
        reasons.append(f"only {found.graded} known answers have a grade, and {FEWEST} are needed")
    if not found.graded:
        return tuple(reasons)
    if found.lower is None or found.lower < LOWEST_ACCURACY:
        reasons.append(
            f"its balanced accuracy is {number(found.balanced_accuracy)}, at least {number(found.lower)} with 95% "
            f"confidence: below {LOWEST_ACCURACY:.2f}"
        )
    if found.auc is None or found.auc < LOWEST_AUC:
        reasons.append(f"its area under the ROC curve is {number(found.auc)}: below {LOWEST_AUC:.2f}")
    return tuple(reasons)


def balanced_accuracy(passed: Any, grades: Any) -> float | None:
    """Return the mean of sensitivity and specificity at ``PASSING``; None where a class has no answer."""
    if not len(passed) or passed.all() or not passed.any():
        return None
    right = (grades >= PASSING) == passed
    return float((right[passed].mean() + right[~passed].mean()) / 2)


def wilson_lower(share: float, n: float) -> float:
    """Return the one-sided 95% lower bound of a share of ``n`` trials (Wilson 1927)."""
    if n <= 0:
        return 0.0
    centre = share + _Z**2 / (2 * n)
    spread = _Z * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    return (centre - spread) / (1 + _Z**2 / n)


def area_under_roc(passed: Any, grades: Any) -> float | None:
    """Return the chance that a passing answer is graded above a failing one (Mann-Whitney); None without both."""
    if not len(passed) or passed.all() or not passed.any():
        return None
    ranks, positives = _ranks(grades), int(passed.sum())
    above = ranks[passed].sum() - positives * (positives + 1) / 2
    return float(above / (positives * (len(passed) - positives)))


def spearman(one: Any, other: Any) -> float | None:
    """Return Spearman's rank correlation, -1 to 1; None where one of both does not vary."""
    if len(one) < 2 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return None
    return float(np.corrcoef(_ranks(one), _ranks(other))[0, 1])


def _ranks(values: Any) -> Any:
    """Return ranks from 1, equal values sharing their mean rank."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[places]


def _independent(passed: Any) -> float:
    """Return how many answers of two equal classes tell the balanced accuracy as precisely: with equal ones all."""
    right, wrong = float(passed.sum()), float(len(passed) - passed.sum())
    return 4 * right * wrong / (right + wrong) if right and wrong else 0.0


def _pair_effect(graded: Sequence[Graded], grades: Mapping[Pair, Grades | None]) -> float:
    """Return the design effect of asking in pairs, 1 to 2: answers that are right or wrong together count less."""
    right = {one.content: float((one.grade >= PASSING) == one.passed) for one in graded}
    both = [(right[p.one.content], right[p.other.content]) for p, found in grades.items() if found is not None]
    centre = float(np.mean(both)) if both else 0.0
    variance = centre * (1 - centre)
    if not variance:
        return 1.0
    together = float(np.mean([(one - centre) * (other - centre) for one, other in both])) / variance
    return 1.0 + min(1.0, max(0.0, together))


def _share(values: Sequence[bool]) -> float | None:
    return sum(values) / len(values) if values else None


def number(value: float | None) -> str:
    """Return '0.83', or 'undefined'."""
    return "undefined" if value is None else f"{value:.2f}"


def calibration_file(results: Path, judge: Mapping[str, object], domain: str) -> Path:
    """Return where the calibration of a judge for a domain is kept."""
    return results / FOLDER / "calibrations" / f"{digest({**judge, 'domain': domain})[:16]}.json"


def write_calibration(results: Path, found: Calibration) -> Path:
    """Write a calibration in place of an earlier one of the same judge; return its file."""
    path = calibration_file(results, found.judge, found.domain)
    document = {"schema_version": SCHEMA_VERSION, "admitted": found.admitted, **asdict(found)}
    write_atomic(path, json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    return path


def read_calibration(results: Path, judge: Mapping[str, object], domain: str) -> Calibration | None:
    """Return the calibration of this judge for a domain; None where there is none. Raises Refusal on a damaged file."""
    path = calibration_file(results, judge, domain)
    if not path.exists():
        return None
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        evidence = tuple(Graded(**one) for one in data["evidence"])
        figures = Figures(**data["figures"])
        kept = {key: data[key] for key in ("judge", "domain", "rubric", "pool", "verifier")}
        # what decides is computed again, so that an edited word admits nobody
        found = Calibration(
            **kept,
            answered_by=tuple(data["answered_by"]),
            figures=figures,
            reasons=reasons_against(figures),
            evidence=evidence,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Refusal(f"{path}: not a calibration ({error!r}).", "Remove it, and calibrate again.") from None
    return found
