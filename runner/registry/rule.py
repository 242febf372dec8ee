"""May this adapter become ``latest``? A pure rule over what its run and the present one stored.

Asked are: PROCEED on this very cell; a run that is whole; the data, verifier and decision rule of the present one (they
may be waived, with a reason); on the same tasks a pass@k that is not lower than allowed; and no family of tasks that is
shown to be harmed, or that is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

import yaml

from env.counts import listed_text
from env.files import digest
from env.refusal import BadSettings, Refusal
from eval.estimation.estimators import paired_gains
from eval.estimation.intervals import Estimate, estimate_gain, harm_p_value, holm, points
from gates.report.results import DecisionResults, EnvironmentResults
from runner.runs.locations import CONF
from runner.views.artifacts import Artifacts
from runner.views.paired_adapters import pair

RULE = CONF / "promotion.yaml"
_NAMED = 3


@dataclass(frozen=True, slots=True)
class PromotionRule:
    """What conf/promotion.yaml says. Raises BadSettings for a margin below 0, or an alpha outside 0 to 0.5."""

    non_inferiority_pp: float
    alpha: float

    def __post_init__(self) -> None:
        if not 0 <= self.non_inferiority_pp <= 100:
            raise BadSettings(f"promotion.non_inferiority_pp = {self.non_inferiority_pp}: must be 0 to 100.")
        if not 0 < self.alpha < 0.5:
            raise BadSettings(f"promotion.alpha = {self.alpha}: must be above 0 and below 0.5.")

    @property
    def digest(self) -> str:
        """Return the digest of its values."""
        return digest(asdict(self))


@dataclass(frozen=True, slots=True)
class Asked:
    """One question of the rule: ``answer`` is "yes" where it is met; ``may_waive`` where a reason can stand for it."""

    name: str
    answer: Literal["yes", "no", "waived"]
    found: str
    may_waive: bool = False


def read_rule(path: Path = RULE) -> PromotionRule:
    """Return the rule. Raises Refusal where the file lacks a value, has another key, or a value is no number."""
    known = [each.name for each in fields(PromotionRule)]
    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise Refusal(f"{path} cannot be read: {error}.", "Restore it.") from None
    numbers = isinstance(given, dict) and all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in given.values()
    )
    if not numbers or sorted(given) != sorted(known):
        raise Refusal(f"{path}: holds no promotion rule.", f"It needs {listed_text(known, 9)}, each with a number.")
    return PromotionRule(**{key: float(value) for key, value in given.items()})


def ask(new: Artifacts, present: Artifacts | None, rule: PromotionRule, reason: str) -> tuple[Asked, ...]:
    """Return every question with its answer, for the chosen cell of the run ``new``.

    Args:
        present: the run of the present ``latest``; None where there is none.
        reason: waives what may be waived.
    """
    answers = [_verdict(new), _whole(new)]
    if present is not None:
        answers += [*_same(new, present), *_paired(new, present, rule)]
    return tuple(
        Asked(one.name, "waived", one.found, True) if reason and one.answer == "no" and one.may_waive else one
        for one in answers
    )


def _asked(name: str, is_met: bool, found: str, may_waive: bool = False) -> Asked:
    return Asked(name, "yes" if is_met else "no", found, may_waive)


def _verdict(new: Artifacts) -> Asked:
    results = new.results(DecisionResults)
    if results is None:
        return _asked("the verdict is PROCEED", False, "Gate E has not decided")
    return _asked("the verdict is PROCEED", str(results.decision.verdict) == "PROCEED", results.decision.headline)


def _whole(new: Artifacts) -> Asked:
    found = new.problems[0] if new.problems else "every artifact has the bytes that its gate reported"
    return _asked("the run is intact", not new.problems, found)


def _same(new: Artifacts, present: Artifacts) -> list[Asked]:
    """Return whether data, verifier and decision rule are those of the present one."""
    rows = []
    for what, ours, theirs in (
        ("dataset", _dataset(new), _dataset(present)),
        ("verifier", new.judge.verifier if new.judge else "", present.judge.verifier if present.judge else ""),
        ("decision rule", _frozen(new), _frozen(present)),
    ):
        is_same = ours == theirs != ""
        found = f"{ours or 'unknown'}" if is_same else f"{ours or 'unknown'}, and latest has {theirs or 'unknown'}"
        rows.append(_asked(f"the {what} is that of latest", is_same, found, may_waive=True))
    return rows


def _dataset(found: Artifacts) -> str:
    results = found.results(EnvironmentResults)
    return "" if results is None else f"{results.dataset.name} {results.dataset.digest[:12]}"


def _frozen(found: Artifacts) -> str:
    results = found.results(EnvironmentResults)
    return "" if results is None or results.frozen is None else results.frozen.digest[:12]


def _paired(new: Artifacts, present: Artifacts, rule: PromotionRule) -> list[Asked]:
    """Return how it fares against the present one, task by task; a reason may stand for tasks that differ."""
    better = f"pass@k is not more than {rule.non_inferiority_pp:g} pp below that of latest"
    ours, theirs = new.results(DecisionResults), present.results(DecisionResults)
    refused = pair(present, new, 2).refused
    if refused or ours is None or theirs is None or new.rule is None:
        why = refused.replace("run 1", "latest").replace("run 2", "this run") or "one of them has no decision"
        return [_asked(better, False, f"cannot be told: {why}", may_waive=True)]
    before, after = theirs.arms.cell.scores, ours.arms.cell.scores
    gains = paired_gains(before, after, new.rule.k)
    options: dict[str, Any] = {"seed": new.rule.seed, "resamples": new.rule.resamples, "alpha": rule.alpha}
    whole = estimate_gain(gains, **options)
    families = {score.task_id: score.family for score in before}
    named = sorted(set(families.values()))
    estimates = {
        name: estimate_gain(gains.without({task for task in gains.task_ids if families[task] != name}), **options)
        for name in named
    }
    return [
        _asked(better, whole.lower is not None and 100 * whole.lower > -rule.non_inferiority_pp, _bound(whole)),
        _families(estimates, rule),
    ]


def _bound(estimate: Estimate) -> str:
    return f"difference {points(estimate.value)}, lower bound {points(estimate.lower)}, {estimate.n} tasks"


def _families(estimates: dict[str, Estimate], rule: PromotionRule) -> Asked:
    """Return whether every family that latest was measured on is there, and none shown to be harmed."""
    name = "no family of tasks is harmed or missing"
    if missing := [family for family, estimate in estimates.items() if estimate.value is None]:
        return _asked(name, False, f"not measured: {listed_text(missing, _NAMED)}")
    harmed = holm({family: harm_p_value(estimate) for family, estimate in estimates.items()}, rule.alpha)
    told = listed_text((f"{family} {points(estimates[family].value)}" for family in harmed or estimates), _NAMED)
    return _asked(name, not harmed, f"harmed: {told}" if harmed else told)


def refused(answers: Sequence[Asked]) -> tuple[Asked, ...]:
    """Return the questions that stand in the way."""
    return tuple(one for one in answers if one.answer == "no")
