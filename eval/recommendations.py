"""What to change when the verdict is not PROCEED: ranked steps, each with the number behind it.

The order is of evidence and cost: first whether the measurement can be trusted, then the training data of the weakest
family, then the form of the answers, then rank, then how long and how strongly the adapter acts; learning rate is last.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from eval.cells import Cell, cell_from_name
from eval.decision import Decision, Ruling, Selection
from eval.guards import FamilyGain, Guard
from eval.intervals import percent, points
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
    """

    rows_by_family: Mapping[str, int]
    rank: int
    learning_rate: float
    outcomes: Mapping[str, int] = field(default_factory=dict)
    truncated: int = 0
    samples: int = 0


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One step: what to do, and the number that speaks for it; ``rank`` counts from 1, most promising first."""

    rank: int
    action: str
    why: str


def recommend(decision: Decision, selection: Selection | None, facts: TrainingFacts) -> tuple[Recommendation, ...]:
    """Return the ranked steps after ADJUST or INCONCLUSIVE; nothing after PROCEED."""
    if decision.verdict is Ruling.PROCEED:
        return ()
    steps = [
        *_measurement(decision),
        *_more_clusters(decision),
        *_weakest_family(decision, facts),
        *_form_of_answers(facts),
        _rank(facts, decision),
        *_edges(decision, selection),
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


def _edges(decision: Decision, selection: Selection | None) -> list[tuple[str, str]]:
    """A best cell at the edge of the sweep says that the sweep ended too early."""
    if selection is None or len(selection.table) < 2:
        return []
    chosen = cell_from_name(decision.cell)
    cells = [row.cell for row in selection.table]
    steps, scales = sorted({cell.step for cell in cells}), sorted({cell.scale for cell in cells})
    found = f"{chosen.name} was best of {len(cells)} cells ({_gain_of(selection, chosen)} on dev)"
    advice = []
    if len(steps) > 1 and chosen.step == steps[-1]:
        advice.append(("Train longer, or on more rows.", f"{found}, and it is the last checkpoint."))
    elif len(steps) > 1 and chosen.step == steps[0]:
        advice.append(("Save and sweep earlier checkpoints.", f"{found}, and it is the first checkpoint."))
    if len(scales) > 1 and chosen.scale == scales[0]:
        advice.append(("Sweep smaller scales.", f"{found}, and {chosen.scale:g} is the smallest scale."))
    elif len(scales) > 1 and chosen.scale == scales[-1]:
        advice.append(("Sweep larger scales.", f"{found}, and {chosen.scale:g} is the largest scale."))
    return advice


def _gain_of(selection: Selection, cell: Cell) -> str:
    return next((points(row.gain.value) for row in selection.table if row.cell == cell), "gain unknown")


def _rank(facts: TrainingFacts, decision: Decision) -> tuple[str, str]:
    why = f"r is {facts.rank} and the gain {points(decision.gain.value)}; more capacity helps only once the data do."
    return (f"Raise the LoRA rank from {facts.rank} to {2 * facts.rank}.", why)


def _learning_rate(facts: TrainingFacts) -> tuple[str, str]:
    why = f"It is {facts.learning_rate:g}; change it alone and last, since it confounds every other comparison."
    return ("Then try another learning rate.", why)
