"""Four marks beside a verdict: does it compile, does it name what exists, does it work, is it tidy.

Marks are for reading and, among answers that passed, for choosing. A mark is not an outcome: whatever it is, a failed
execution stays failed, since estimation and decision count outcomes and import nothing from here (a test enforces it).

What every domain shares stands here; the marks of a program that ran are the domain's own (``Domain.scorers``):

* An answer that could not be judged (HARNESS_ERROR) has no marks at all: it is missing, not bad.
* An answer without a program, or with one that does not compile, has 0 in all four: there is nothing to mark.
* An answer that gives back the task's own input, comments and white space aside, has 1 for syntax and 0 otherwise.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Protocol

from env.refusal import BadSettings
from eval.pipeline.scoring.words import words
from eval.records import Candidate, Outcome, Verdict

# Outcomes of answers that never became a program that could run.
_NO_PROGRAM = frozenset({Outcome.NO_CODE, Outcome.PATCH_REJECTED, Outcome.SYNTAX_ERROR})


@dataclass(frozen=True, slots=True)
class Scores:
    """The marks of one answer, each from 0 to 1. Raises ValueError for a mark outside.

    Attributes:
        syntax: 1 when the program compiles and holds a statement, else 0.
        api: 1 when every name of the engine's API that it uses exists and is current.
        bugs: the share of the task's checks that it passes, less for mistakes that reading it finds.
        quality: 1 when nothing in it is unused, repeated or against the domain's habits.
    """

    syntax: float
    api: float
    bugs: float
    quality: float

    def __post_init__(self) -> None:
        wrong = [f"{name} = {mark}" for name, mark in asdict(self).items() if not 0 <= mark <= 1]
        if wrong:
            raise ValueError(f"marks lie between 0 and 1: {', '.join(wrong)}")


PARTS = tuple(each.name for each in fields(Scores))
NOTHING = Scores(0.0, 0.0, 0.0, 0.0)
_ECHO = Scores(1.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class ScoreWeights:
    """What each mark counts in the total: 0 or more, of any sum; conf/scores.yaml holds them.

    Raises BadSettings for a negative weight, and where none is above 0.
    """

    syntax: float
    api: float
    bugs: float
    quality: float

    def __post_init__(self) -> None:
        weights = asdict(self)
        wrong = [f"scores.{name} = {weight}: must be 0 or more" for name, weight in weights.items() if not weight >= 0]
        if not wrong and not 0 < sum(weights.values()) < float("inf"):
            wrong = ["scores: at least one weight must be above 0, and all must be finite"]
        if wrong:
            raise BadSettings("; ".join(wrong) + ".")


@dataclass(frozen=True, slots=True)
class Answered:
    """What is marked: the program, its verdict, and the task's input, which an answer may merely repeat."""

    input: str
    candidate: Candidate
    verdict: Verdict


class Scorer(Protocol):
    """What ``Domain.scorers`` names."""

    def marks(self, code: str, verdict: Verdict) -> Scores:
        """Return the marks of a program that compiled and was executed."""
        ...

    def findings(self, code: str) -> tuple[str, ...]:
        """Return what reading a program finds beyond what its verdict tells, at most 50 sentences."""
        ...


def scores_of(answer: Answered, scorer: Scorer) -> Scores | None:
    """Return the marks of an answer; None where it could not be judged. The same answer has the same marks."""
    outcome, code = answer.verdict.outcome, answer.candidate.code
    if outcome is Outcome.HARNESS_ERROR:
        return None
    if code is None or outcome in _NO_PROGRAM:
        return NOTHING
    program = list(words(code))
    if not program:
        return NOTHING
    return _ECHO if program == list(words(answer.input)) else scorer.marks(code, answer.verdict)


def weighted(scores: Scores, weights: ScoreWeights) -> float:
    """Return the weighted mean of the four marks, 0 to 1."""
    marks, counts = asdict(scores), asdict(weights)
    return float(sum(marks[part] * counts[part] for part in PARTS) / sum(counts.values()))


def checks_passed(verdict: Verdict) -> float:
    """Return the share of the task's checks that passed, 0 to 1; checks that were not reached did not pass."""
    if verdict.outcome is Outcome.PASSED:
        return 1.0
    return sum(check.passed is True for check in verdict.checks) / len(verdict.checks) if verdict.checks else 0.0


def lessened(faults: float) -> float:
    """Return 1 for no fault, 1/2 for one, 1/3 for two: the first one costs most, and none makes a mark negative."""
    return 1.0 / (1.0 + faults)


def grounded(verdict: Verdict) -> float:
    """Return 1 where every check passed, down to 1/4 where none did: names and tidy lines alone show little."""
    return 0.25 + 0.75 * checks_passed(verdict)


def api_mark(uses: int, unknown: float, verdict: Verdict) -> float:
    """Return the mark for names of the API.

    Args:
        uses: names that the program really uses.
        unknown: those of them that do not exist; one that is deprecated counts a part of one.

    A program that uses none is right where none was needed, which only passing shows: 1 when it passed, else 0.
    """
    if not uses and not unknown:
        return float(verdict.outcome is Outcome.PASSED)
    return lessened(unknown) * grounded(verdict)
