"""What a decision says in words: its headline, and its reasons with the one that settled the verdict first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from env.wording.counts import counted
from eval.decision.extremes import Extreme
from eval.decision.guards import Guard
from eval.decision.rule import DecisionRule
from eval.decision.ruling import Ruling, at_least
from eval.estimation.intervals import Estimate, percent, points

SMOKE = "This is a smoke run: it shows that every part works together, and is too small to decide anything."


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about the judged cell; rates and gains are fractions.

    Attributes:
        base, adapter: mean pass@k of each arm; ``gain`` is their paired difference.
        needed: clusters in all that would settle an INCONCLUSIVE; None when settled, or when no number would do.
        detectable: gain that this standard error detects with the rule's power.
        method: "test split", or "max-t over 9 cells".
        extreme: floor or ceiling; None where the tasks can show a gain.
        smoke: whether the run is too small to decide anything by design.
    """

    verdict: Ruling
    strong: bool
    gain: Estimate
    base: Estimate
    adapter: Estimate
    guards: tuple[Guard, ...]
    needed: int | None
    detectable: float | None
    method: str
    excluded: tuple[str, ...]
    excluded_why: str
    extreme: Extreme | None = None
    smoke: bool = False


def headline(found: Finding, rule: DecisionRule) -> str:
    """Return the decision in one line: verdict, rates, gain with interval, tasks, margin, detectable gain."""
    gain = found.gain
    detects = "unknown" if found.detectable is None else f"{100 * found.detectable:.1f} pp"
    return (
        f"{found.verdict}{' (strong)' if found.strong else ''}: pass@{rule.k} {percent(found.base.value)} → "
        f"{percent(found.adapter.value)}, gain {points(gain.value)} ({100 - 100 * rule.alpha:g}% {points(gain.low)} to "
        f"{points(gain.high)}) on {counted(gain.n, 'task')} in {counted(gain.clusters, 'cluster')}; "
        f"margin {rule.margin_pp:.1f} pp, detectable gain {detects}"
    )


def reasons(found: Finding, rule: DecisionRule) -> tuple[str, ...]:
    """Return why the verdict is what it is: blocking guards, the gain, what would settle it, then warnings."""
    fired = [guard for guard in found.guards if guard.fired]
    blocked = [f"Guard {guard.name}: {guard.sentence}" for guard in fired if guard.level == "block"]
    return (
        *((SMOKE,) if found.smoke else ()),
        *blocked,
        *((found.extreme.sentence,) if found.extreme else ()),
        _gain_sentence(found, rule, blocked=bool(blocked)),
        *_settling(found, rule),
        *(f"Warning, {guard.name}: {guard.sentence}" for guard in fired if guard.level == "warn"),
        *_without_test(found, rule),
        *_left_out(found),
    )


def _gain_sentence(found: Finding, rule: DecisionRule, blocked: bool) -> str:
    gain, level = found.gain, f"one-sided {100 - 100 * rule.alpha:g}%"
    margin, said = f"the margin of {rule.margin_pp:.1f} pp", f"The gain of {points(gain.value)}"
    if blocked:
        bounds = f"{level} bounds {points(gain.lower)} and {points(gain.upper)}"
        return f"Aside from that the gain is {points(gain.value)}, {bounds}, against {margin}."
    if found.verdict is Ruling.PROCEED:
        reach = "reaches the margin too: strong" if found.strong else "is above zero, though below the margin"
        return f"{said} reaches {margin}, and its {level} lower bound of {points(gain.lower)} {reach}."
    if found.verdict is Ruling.ADJUST:
        return f"{said} has a {level} upper bound of {points(gain.upper)}, below {margin}."
    if at_least(gain.value, rule.margin):
        return f"{said} reaches {margin}, but its {level} lower bound of {points(gain.lower)} is not above zero."
    return f"{said} misses {margin}, but its {level} upper bound of {points(gain.upper)} does not."


def _settling(found: Finding, rule: DecisionRule) -> Sequence[str]:
    if found.verdict is not Ruling.INCONCLUSIVE:
        return ()
    if found.gain.method == "zero variance":
        return ("Every task shows the same gain: without any spread nothing says how many more tasks would settle it.",)
    if found.needed is None:
        return ("The gain is exactly at the bar, so no number of further clusters can be named that would settle it.",)
    more = found.needed - found.gain.clusters
    return (
        f"About {counted(found.needed, 'cluster')} in all ({more} more than the {found.gain.clusters} there are) would "
        f"settle it with {100 * rule.power:.0f}% power, if the gain stays what it is.",
    )


def _without_test(found: Finding, rule: DecisionRule) -> Sequence[str]:
    if rule.selection == "split":
        return ()
    return (f"No separate test split: the gain and its bounds pay for choosing among the cells ({found.method}).",)


def _left_out(found: Finding) -> Sequence[str]:
    if not found.excluded:
        return ()
    return (f"{counted(len(found.excluded), 'task')} were left out: {found.excluded_why or 'no reason given'}.",)
