"""The guards of a decision: what may overrule a good average, each with what it found in one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from env.counts import counted
from env.refusal import Refusal
from eval.decision.rule import DecisionRule
from eval.estimation.estimators import TaskValues, paired_gains
from eval.estimation.intervals import Estimate, estimate_gain, harm_p_value, holm, points
from eval.pipeline.result import families_of, missing_share
from eval.records import TaskScore

# An effect that a decision acts on is 10 points and more: a difference of this size could be all of it.
TRUNCATED_GAP_PP = 10.0
# Below this the t interval on G - 1 degrees of freedom is itself doubtful (Cameron & Miller 2015, sec. VI: 20 to 50).
FEW_CLUSTERS = 20


@dataclass(frozen=True, slots=True)
class AnswersMoved:
    """How many greedy answers differ from the base's: under the adapter, and under the adapter at scale 0."""

    moved: int
    zero_moved: int


@dataclass(frozen=True, slots=True)
class Canary:
    """How far the adapter moves log-probabilities of fixed answers, in nats, over ``prompts`` prompts.

    ``moved_nats`` is the largest |adapter - base|; ``zero_moved_nats`` the largest |adapter at scale 0 - base|.
    ``answers`` takes their place where a server tells no log-probabilities of a given text.
    """

    moved_nats: float
    zero_moved_nats: float
    prompts: int
    answers: AnswersMoved | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the verdict hangs on besides the scores.

    Attributes:
        cell: name of the cell that is judged.
        canary: None when it was not run, which blocks.
        test_openings: how often the test tasks were opened in this run, this time included.
        excluded: ids of tasks to leave out by name (contaminated ones), and ``excluded_why``.
        smoke: the run is too small to decide anything by design, which its reasons then say first.
    """

    cell: str
    canary: Canary | None
    test_openings: int = 1
    excluded: tuple[str, ...] = ()
    excluded_why: str = ""
    smoke: bool = False


@dataclass(frozen=True, slots=True)
class FamilyGain:
    """The gain of one family; ``harm_p`` is the one-sided p-value of "not below zero", ``harmed`` after Holm."""

    family: str
    gain: Estimate
    harm_p: float
    harmed: bool
    noninferior: bool


@dataclass(frozen=True, slots=True)
class Guard:
    """One guard: ``level`` "block" turns the verdict to ADJUST when it fired, "warn" is only shown."""

    name: str
    level: Literal["block", "warn"]
    fired: bool
    sentence: str


def family_gains(gains: TaskValues, rule: DecisionRule) -> tuple[FamilyGain, ...]:
    """Return the gain of every family of the rule, harm judged by Holm over the families at the rule's alpha."""
    estimates = {
        family: estimate_gain(gains.of_family(family), seed=rule.seed, resamples=rule.resamples, alpha=rule.alpha)
        for family in rule.families
    }
    p_values = {family: harm_p_value(estimate) for family, estimate in estimates.items()}
    harmed = holm(p_values, rule.alpha)
    floor = -rule.noninferiority_pp / 100.0
    return tuple(
        FamilyGain(
            family=family,
            gain=estimate,
            harm_p=p_values[family],
            harmed=family in harmed,
            noninferior=estimate.lower is not None and estimate.lower > floor,
        )
        for family, estimate in estimates.items()
    )


def all_guards(
    base: Sequence[TaskScore],
    cell: Sequence[TaskScore],
    families: Sequence[FamilyGain],
    gain: Estimate,
    rule: DecisionRule,
    evidence: Evidence,
) -> tuple[Guard, ...]:
    """Return every guard, fired or not, blocking ones first.

    Raises:
        Refusal: the scores are of other families or of more tasks than the rule froze.
    """
    return (
        missing_guard(base, cell, rule, evidence),
        canary_guard(evidence.canary, rule),
        truncation_guard(base, cell, rule),
        harm_guard(families, rule),
        noninferiority_guard(families, rule),
        openings_guard(evidence, rule),
        clusters_guard(gain),
    )


def missing_guard(
    base: Sequence[TaskScore], cell: Sequence[TaskScore], rule: DecisionRule, evidence: Evidence
) -> Guard:
    """Block when an arm lacks too many valid samples, or the arms lack different shares of them."""
    tasks, samples = planned_size(rule)
    planned_tasks = tasks - len(evidence.excluded)
    shares = [_missing_of_plan(scores, planned_tasks, samples, rule) for scores in (base, cell)]
    worst, gap = 100 * max(shares), 100 * abs(shares[0] - shares[1])
    fired = worst > rule.max_missing_pct or gap > rule.max_missing_gap_pp
    sentence = (
        f"{100 * shares[0]:.1f}% of the base's and {100 * shares[1]:.1f}% of the adapter's {planned_tasks * samples} "
        f"planned samples have no valid verdict (at most {rule.max_missing_pct:g}% and {rule.max_missing_gap_pp:g} "
        "points apart are allowed)."
    )
    return Guard("missing data", "block", fired, sentence)


def planned_size(rule: DecisionRule) -> tuple[int, int]:
    """Return (tasks, samples per task) of the tasks the verdict is made on."""
    return (rule.test_tasks, rule.test_samples) if rule.selection == "split" else (rule.dev_tasks, rule.dev_samples)


def _missing_of_plan(scores: Sequence[TaskScore], tasks: int, samples: int, rule: DecisionRule) -> float:
    strange = sorted(set(families_of(scores)) - set(rule.families))
    crowded = sorted(score.task_id for score in scores if score.n > samples)
    if len(scores) > tasks or strange or crowded:
        raise Refusal(
            f"The rule froze {counted(tasks, 'task')} x {counted(samples, 'sample')} of {', '.join(rule.families)}, "
            f"but measured are {counted(len(scores), 'task')}, {len(crowded)} with more samples, "
            f"other families: {', '.join(strange) or 'none'}.",
            "Measure what was frozen, or start a new run with another rule.",
        )
    never_scored = tasks - len(scores)
    within = missing_share(scores, samples)
    return 1.0 if within is None else (within * len(scores) + never_scored) / tasks


def canary_guard(canary: Canary | None, rule: DecisionRule) -> Guard:
    """Block unless the adapter was seen to act, and to be gone at scale 0."""
    if canary is None or canary.prompts < 1:
        return Guard("adapter canary", "block", True, "The adapter canary was not run: the adapter may not be applied.")
    if canary.answers is not None:
        return _answers_guard(canary.answers, canary.prompts)
    moves = canary.moved_nats >= rule.canary_min_nats
    vanishes = canary.zero_moved_nats <= rule.canary_max_zero_nats
    sentence = (
        f"On {counted(canary.prompts, 'prompt')} the adapter moves log-probabilities by up to "
        f"{canary.moved_nats:.3g} nats "
        f"(at least {rule.canary_min_nats:g} expected) and at scale 0 by {canary.zero_moved_nats:.3g} "
        f"(at most {rule.canary_max_zero_nats:g} allowed)."
    )
    return Guard("adapter canary", "block", not (moves and vanishes), sentence)


def _answers_guard(answers: AnswersMoved, prompts: int) -> Guard:
    """Block unless the adapter changes some greedy answer, and the base asked again none."""
    sentence = (
        f"The server tells no log-probabilities; of the greedy answers to {counted(prompts, 'prompt')} the adapter "
        f"changes {answers.moved} (at least 1 expected) and at scale 0 {answers.zero_moved} (none allowed)."
    )
    return Guard("adapter canary", "block", answers.moved < 1 or answers.zero_moved > 0, sentence)


def truncation_guard(base: Sequence[TaskScore], cell: Sequence[TaskScore], rule: DecisionRule) -> Guard:
    """Say when many more answers of one arm than of the other were cut at the token limit without passing.

    It blocks when those are the base's, and no gain is shown among the answers that ended: the adapter may only have
    learnt to be brief.
    """
    shares = [_cut_pct(scores) for scores in (base, cell)]
    said = f"{shares[0]:.1f}% of the base's and {shares[1]:.1f}% of the adapter's answers were cut without passing"
    if abs(shares[0] - shares[1]) <= TRUNCATED_GAP_PP:
        return Guard("truncation", "block", False, f"{said} (at most {TRUNCATED_GAP_PP:g} points apart are allowed).")
    gains = paired_gains(_ended(base), _ended(cell), 1)
    gain = estimate_gain(gains, seed=rule.seed, resamples=rule.resamples, alpha=rule.alpha)
    is_shown = gain.lower is not None and gain.lower > 0
    among = f"among answers that ended, pass@1 gains {points(gain.value)} (lower bound {points(gain.lower)})"
    level: Literal["block", "warn"] = "block" if shares[0] > shares[1] and not is_shown else "warn"
    return Guard("truncation", level, True, f"{said}, more than {TRUNCATED_GAP_PP:g} points apart; {among}.")


def _cut_pct(scores: Sequence[TaskScore]) -> float:
    return 100 * sum(score.cut_short for score in scores) / max(1, sum(score.n for score in scores))


def _ended(scores: Sequence[TaskScore]) -> list[TaskScore]:
    """Return the counts without the answers that were cut short."""
    return [replace(score, n=score.n - score.cut_short, cut_short=0) for score in scores]


def harm_guard(families: Sequence[FamilyGain], rule: DecisionRule) -> Guard:
    """Block when a family's gain is shown to be below zero."""
    harmed = [family for family in families if family.harmed]
    if not harmed:
        return Guard("family harm", "block", False, f"No family is shown to be harmed ({len(families)} tested, Holm).")
    named = ", ".join(f"{item.family} {points(item.gain.value)} (p {item.harm_p:.2g})" for item in harmed)
    sentence = f"Harmed at {100 * rule.alpha:g}% over {len(families)} families (Holm): {named}."
    return Guard("family harm", "block", True, sentence)


def noninferiority_guard(families: Sequence[FamilyGain], rule: DecisionRule) -> Guard:
    """Warn of families whose lower bound does not rule out a loss that matters."""
    doubtful = [family for family in families if not family.noninferior]
    named = ", ".join(f"{item.family} (lower bound {points(item.gain.lower)})" for item in doubtful)
    if not doubtful:
        sentence = f"Every family is shown to lose less than {rule.noninferiority_pp:g} pp."
    else:
        sentence = f"Not shown to lose less than {rule.noninferiority_pp:g} pp: {named}."
    return Guard("non-inferiority", "warn", bool(doubtful), sentence)


def openings_guard(evidence: Evidence, rule: DecisionRule) -> Guard:
    """Warn when the test tasks were looked at before."""
    if rule.selection == "max-t":
        return Guard("test openings", "warn", False, "There are no test tasks to open.")
    times = evidence.test_openings
    sentence = "The test tasks were opened once." if times == 1 else f"The test tasks were opened {times} times."
    return Guard("test openings", "warn", times != 1, sentence)


def clusters_guard(gain: Estimate) -> Guard:
    """Warn when there are too few clusters for the interval's approximation."""
    few = gain.clusters < FEW_CLUSTERS
    sentence = f"The interval rests on {counted(gain.clusters, 'cluster')}" + (
        f": with fewer than {FEW_CLUSTERS} it may be too narrow." if few else "."
    )
    return Guard("few clusters", "warn", few, sentence)
