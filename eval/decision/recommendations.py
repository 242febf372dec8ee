"""What to change when the verdict is not PROCEED: ranked steps, each with the number behind it.

The order is of evidence and cost: first whether the measurement can be trusted, then the training data of the weakest
family and of the kinds that got worse, then the form of the answers, then rank, then how long and how strongly the
adapter acts; learning rate is last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from eval.decision.cells import Cell, cell_from_name
from eval.decision.guards import FamilyGain, Guard
from eval.decision.regressions import GroupGain
from eval.decision.ruling import Ruling
from eval.decision.verdict import Decision
from eval.estimation.intervals import percent, points
from eval.records import Outcome

# A share of samples ended so is worth a step of its own; smaller ones are within the noise of 1,200 samples.
_NOTABLE_SHARE = 0.10


@dataclass(frozen=True, slots=True)
class TrainingFacts:
    """What was trained and what the adapter wrote.

    Attributes:
        rows_by_family: training rows per family.
        rank: LoRA rank r; ``learning_rate`` as configured.
        outcomes: of the adapter's test samples, by Outcome name.
        truncated: adapter samples that ran into the token limit.
        samples: adapter test samples in all.
        rows_by_kind: training rows per kind, {} where rows have none.
        groups: what every family, kind and difficulty gained.
        contaminated: test tasks that training has seen, of ``tested`` in all.
    """

    rows_by_family: Mapping[str, int]
    rank: int
    learning_rate: float
    outcomes: Mapping[str, int] = field(default_factory=dict)
    truncated: int = 0
    samples: int = 0
    rows_by_kind: Mapping[str, int] = field(default_factory=dict)
    groups: Sequence[GroupGain] = ()
    contaminated: int = 0
    tested: int = 0


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One step: what to do, and the number that speaks for it; ``rank`` counts from 1, most promising first."""

    rank: int
    action: str
    why: str


def recommend(
    decision: Decision, swept: Mapping[Cell, float | None], facts: TrainingFacts
) -> tuple[Recommendation, ...]:
    """Return the ranked steps after ADJUST or INCONCLUSIVE; nothing after PROCEED.

    Args:
        swept: every measured cell's gain on dev, a fraction; {} where it is not known.
    """
    if decision.verdict is Ruling.PROCEED:
        return ()
    steps = [
        *_measurement(decision),
        *_unseen_tasks(facts),
        *_more_clusters(decision),
        *_weakest_family(decision, facts),
        *_worse_kinds(facts),
        *_form_of_answers(facts),
        _rank(facts, decision),
        *_edges(decision, swept),
        _learning_rate(facts),
    ]
    return tuple(Recommendation(number, action, why) for number, (action, why) in enumerate(steps, start=1))


def _measurement(decision: Decision) -> list[tuple[str, str]]:
    """What must be mended before any number of this decision means something."""
    mends = {
        "missing data": "Mend the verifier or the generation, then measure again: the gain may be an artefact.",
        "adapter canary": "Find out why the adapter is not applied, then measure again; training changes nothing yet.",
    }
    return [(mends[guard.name], guard.sentence) for guard in _blocking(decision) if guard.name in mends]


def _blocking(decision: Decision) -> list[Guard]:
    return [guard for guard in decision.fired if guard.level == "block"]


def _unseen_tasks(facts: TrainingFacts) -> list[tuple[str, str]]:
    if not facts.contaminated:
        return []
    why = f"{facts.contaminated} of {facts.tested} test tasks stand, in whole or in part, in the training rows."
    return [("Measure on tasks that training has not seen, or remove those rows and train again.", why)]


def _more_clusters(decision: Decision) -> list[tuple[str, str]]:
    if decision.verdict is not Ruling.INCONCLUSIVE or decision.more_clusters is None:
        return []
    why = (
        f"{decision.gain.clusters} clusters give a standard error of {points(decision.gain.se).lstrip('+')}; "
        f"about {decision.clusters_needed} would settle a gain of {points(decision.gain.value)}."
    )
    return [(f"Measure on {decision.more_clusters} more clusters of tasks, in a new run with a frozen rule.", why)]


def _weakest_family(decision: Decision, facts: TrainingFacts) -> list[tuple[str, str]]:
    measured = [item for item in decision.families if item.gain.value is not None]
    total = sum(facts.rows_by_family.values())
    if not measured or total == 0:
        return []
    weakest = min(measured, key=_weakness)
    rows = facts.rows_by_family.get(weakest.family, 0)
    of_tasks = weakest.gain.n / sum(item.gain.n for item in measured)
    word = "is harmed" if weakest.harmed else "gains least"
    why = (
        f"{weakest.family} {word} ({points(weakest.gain.value)}); it is {percent(rows / total)} of the training rows "
        f"({rows} of {total}) and {percent(of_tasks)} of the test tasks."
    )
    action = "Add and verify" if rows / total < of_tasks else "Check and replace wrong"
    return [(f"{action} training rows of the family {weakest.family}.", why)]


def _worse_kinds(facts: TrainingFacts) -> list[tuple[str, str]]:
    """Kinds shown to have got worse, the largest loss first; families are judged above."""
    worse = [group for group in facts.groups if group.by == "kind" and group.flag == "worse"]
    return [
        (f"Look at what training teaches of the kind {group.name}: add or mend its rows.", _loss(group, facts))
        for group in sorted(worse, key=lambda group: group.gain.value or 0.0)
    ]


def _loss(group: GroupGain, facts: TrainingFacts) -> str:
    gain = group.gain
    between = "" if gain.low is None or gain.high is None else f" (95% {gain.low:+.1f} to {gain.high:+.1f})"
    lost = (
        f"{group.name} lost {abs(gain.value or 0.0):.1f} pp{between} on {group.tasks} tasks, "
        "beyond chance over all kinds"
    )
    rows, total = facts.rows_by_kind.get(group.name, 0), sum(facts.rows_by_kind.values())
    return f"{lost}; it is {percent(rows / total)} of the training rows ({rows} of {total})." if total else f"{lost}."


def _weakness(item: FamilyGain) -> tuple[bool, float]:
    return (not item.harmed, item.gain.value if item.gain.value is not None else 0.0)


def _form_of_answers(facts: TrainingFacts) -> list[tuple[str, str]]:
    """Failures that say the answer's form is wrong before its content was tried."""
    if facts.samples == 0:
        return []
    counts = {
        "Let the adapter learn to end its answer, or raise max_new_tokens.": ("hit the token limit", facts.truncated),
        "Train on answers in the asked form: many hold no usable program.": (
            "hold no code or a diff that does not apply",
            _count(facts, Outcome.NO_CODE, Outcome.PATCH_REJECTED),
        ),
        "Remove training answers that are not valid Lua.": (
            "are not valid syntax",
            _count(facts, Outcome.SYNTAX_ERROR),
        ),
    }
    notable = [
        (action, f"{percent(count / facts.samples)} of the adapter's {facts.samples} samples {what}.", count)
        for action, (what, count) in counts.items()
        if count / facts.samples >= _NOTABLE_SHARE
    ]
    return [(action, why) for action, why, _ in sorted(notable, key=lambda step: -step[2])]


def _count(facts: TrainingFacts, *outcomes: Outcome) -> int:
    return sum(facts.outcomes.get(outcome.value, 0) for outcome in outcomes)


def _edges(decision: Decision, swept: Mapping[Cell, float | None]) -> list[tuple[str, str]]:
    """A best cell at the edge of the sweep, better than all that are not, says that the sweep ended too early."""
    chosen = cell_from_name(decision.cell) if len(swept) > 1 else None
    best = swept.get(chosen) if chosen is not None else None
    if chosen is None or best is None:
        return []
    found = f"{chosen.name} was best of {len(swept)} cells ({points(best)} on dev)"
    steps, scales = sorted({cell.step for cell in swept}), sorted({cell.scale for cell in swept})
    other_steps = [gain for cell, gain in swept.items() if cell.step != chosen.step and gain is not None]
    other_scales = [gain for cell, gain in swept.items() if cell.scale != chosen.scale and gain is not None]
    advice = []
    if other_steps and best > max(other_steps):
        if chosen.step == steps[-1]:
            advice.append(("Train longer, or on more rows.", f"{found}, and it is the last checkpoint."))
        elif chosen.step == steps[0]:
            advice.append(("Save and sweep earlier checkpoints.", f"{found}, and it is the first checkpoint."))
    if other_scales and best > max(other_scales):
        if chosen.scale == scales[0]:
            advice.append(("Sweep smaller scales.", f"{found}, and {chosen.scale:g} is the smallest scale."))
        elif chosen.scale == scales[-1]:
            advice.append(("Sweep larger scales.", f"{found}, and {chosen.scale:g} is the largest scale."))
    return advice


def _rank(facts: TrainingFacts, decision: Decision) -> tuple[str, str]:
    why = f"r is {facts.rank} and the gain {points(decision.gain.value)}; more capacity helps only once the data do."
    return (f"Raise the LoRA rank from {facts.rank} to {2 * facts.rank}.", why)


def _learning_rate(facts: TrainingFacts) -> tuple[str, str]:
    why = f"It is {facts.learning_rate:g}; change it alone and last, since it confounds every other comparison."
    return ("Then try another learning rate.", why)
