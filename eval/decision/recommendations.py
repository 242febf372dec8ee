"""What to change when the verdict is not PROCEED: ranked steps, each with the number behind it.

The order is of evidence and cost: first whether the measurement can be trusted and whether its tasks could show a gain
at all, then whether training ran long enough, then the training data of the weakest family and of the kinds that got
worse, then the form of the answers, then rank, then how strongly the adapter acts; learning rate is last. No step is
given that the run's own facts contradict.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from env.counts import counted
from eval.decision.cells import Cell, cell_from_name
from eval.decision.guards import FamilyGain
from eval.decision.regressions import GroupGain
from eval.decision.ruling import Ruling
from eval.decision.verdict import Decision
from eval.estimation.intervals import percent, points
from eval.records import Outcome

# A share of samples ended so is worth a step of its own; smaller ones are within the noise of 1,200 samples.
_NOTABLE_SHARE = 0.10
# Nats per token: the training answers are known by heart (0.9 a token), and more capacity would learn nothing new.
_LEARNT_BY_HEART = 0.1
# More clusters than any public set of programming tasks has: no advice that anybody can follow.
_PRACTICAL_CLUSTERS = 10_000

_Step = tuple[str, str]


@dataclass(frozen=True, slots=True)
class TrainingFacts:
    """What was trained and what the adapter wrote.

    Attributes:
        rows_by_family: training rows per family.
        rank: LoRA rank r; ``learning_rate`` as configured.
        steps: optimizer steps in all, 0 where not known; ``epochs`` over the training rows they made.
        losses: mean training loss in nats per token at the start and at the end; None where not known.
        broken_rows: training answers that Gate A found not to apply, parse or load; None where it did not look.
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
    steps: int = 0
    epochs: float | None = None
    losses: tuple[float, float] | None = None
    broken_rows: int | None = None
    outcomes: Mapping[str, int] = field(default_factory=dict)
    truncated: int = 0
    samples: int = 0
    rows_by_kind: Mapping[str, int] = field(default_factory=dict)
    groups: Sequence[GroupGain] = ()
    contaminated: int = 0
    tested: int = 0

    @property
    def rows(self) -> int:
        """Return the training rows in all."""
        return sum(self.rows_by_family.values())

    @property
    def is_undertrained(self) -> bool:
        """Whether training ended before every row was seen once."""
        return self.epochs is not None and self.epochs < 1.0


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
    steps = _after_smoke(decision) if decision.smoke else _after_experiment(decision, swept, facts)
    return tuple(Recommendation(number, action, why) for number, (action, why) in enumerate(steps, start=1))


def _after_smoke(decision: Decision) -> list[_Step]:
    why = f"{counted(decision.gain.n, 'test task')} and a few training steps say nothing about the model or the data."
    return [("Start a run of full size: a new run with size=full.", why)]


def _after_experiment(decision: Decision, swept: Mapping[Cell, float | None], facts: TrainingFacts) -> list[_Step]:
    measurement = [*_measurement(decision), *_unseen_tasks(facts)]
    training = [*_loss_did_not_fall(facts), *_train_longer(facts)]
    if decision.extreme == "ceiling":
        return [*measurement, _harder_tasks(decision)]
    if decision.extreme == "floor":
        return [*measurement, _easier_tasks(decision, facts), *_form_of_answers(facts), *training]
    steps = [
        *measurement,
        *_more_clusters(decision),
        *training,
        *_weakest_family(decision, facts),
        *_worse_kinds(facts),
        *_form_of_answers(facts),
        *_rank(decision, facts),
        *_edges(decision, swept, facts),
    ]
    return [*(steps or [_rows_against_tasks(decision, facts)]), *_learning_rate(facts)]


def _measurement(decision: Decision) -> list[_Step]:
    """What must be fixed before any number of this decision means something."""
    fixes = {
        "missing data": "Fix the verifier or the generation, then measure again: the gain may be an artefact.",
        "adapter canary": "Find out why the adapter is not applied, then measure again; training changes nothing yet.",
        "truncation": "Raise sampling.max_new_tokens, or end answers by sampling.stop, until both arms are cut alike.",
    }
    blocking = [guard for guard in decision.fired if guard.level == "block"]
    return [(fixes[guard.name], guard.sentence) for guard in blocking if guard.name in fixes]


def _unseen_tasks(facts: TrainingFacts) -> list[_Step]:
    if not facts.contaminated:
        return []
    tested = counted(facts.tested, "test task")
    why = f"{facts.contaminated} of {tested} appear, in whole or in part, in the training rows."
    return [("Measure on tasks that training has not seen, or remove those rows and train again.", why)]


# Floor and ceiling


def _easier_tasks(decision: Decision, facts: TrainingFacts) -> _Step:
    drawn = f", 0 of {counted(facts.samples, 'sample')} of the adapter" if facts.samples else ""
    tasks = counted(decision.gain.n, "task")
    why = f"Neither model solved any of the {tasks}{drawn}: a gain cannot show where nothing is solved."
    return ("Measure on easier tasks, which the base solves now and then, or start from a stronger base model.", why)


def _harder_tasks(decision: Decision) -> _Step:
    base = decision.base.value or 0.0
    why = (
        f"The base reaches {percent(base)} on {counted(decision.base.n, 'task')}: at most {100 * (1 - base):.1f} pp "
        f"are left, less than the margin of {100 * decision.margin:.1f} pp."
    )
    return ("Measure on harder tasks: on these no adapter can reach the margin.", why)


def _more_clusters(decision: Decision) -> list[_Step]:
    needed, se = decision.clusters_needed, decision.gain.se
    if decision.verdict is not Ruling.INCONCLUSIVE or not decision.more_clusters or needed is None or not se:
        return []
    if needed > _PRACTICAL_CLUSTERS:
        return []
    why = (
        f"On {counted(decision.gain.clusters, 'cluster')} the standard error is {points(se).lstrip('+')}; "
        f"about {needed} would settle a gain of {points(decision.gain.value)}."
    )
    return [
        (
            f"Measure on {counted(decision.more_clusters, 'more cluster')} of tasks, in a new run with a frozen rule.",
            why,
        )
    ]


# Training


def _loss_did_not_fall(facts: TrainingFacts) -> list[_Step]:
    if facts.losses is None or facts.losses[1] < facts.losses[0]:
        return []
    first, last = facts.losses
    why = f"It was {first:.3f} at the start and {last:.3f} at the end of {counted(facts.steps, 'step')}."
    return [("Find out why the training loss did not fall: nothing was learnt from the rows.", why)]


def _train_longer(facts: TrainingFacts) -> list[_Step]:
    if facts.epochs is None or not facts.is_undertrained:
        return []
    steps, rows = counted(facts.steps, "step"), counted(facts.rows, "training row")
    why = f"Training saw {percent(facts.epochs)} of the {rows} in {steps}."
    return [("Train longer: at least once over all training rows.", why)]


def _rows_against_tasks(decision: Decision, facts: TrainingFacts) -> _Step:
    why = f"The gain is {points(decision.gain.value)}, and no family, kind or form of answer explains it."
    return (f"Compare the {counted(facts.rows, 'training row')} with the tasks they should help.", why)


def _weakest_family(decision: Decision, facts: TrainingFacts) -> list[_Step]:
    """Return a step only where one family did worse than another: equal gains name nobody."""
    measured = [item for item in decision.families if item.gain.value is not None]
    if not facts.rows or len({item.gain.value for item in measured}) < 2:
        return []
    weakest = min(measured, key=_weakness)
    rows = facts.rows_by_family.get(weakest.family, 0)
    of_tasks = weakest.gain.n / sum(item.gain.n for item in measured)
    word = "is harmed" if weakest.harmed else "gains least"
    why = (
        f"{weakest.family} {word} ({points(weakest.gain.value)}); it is {percent(rows / facts.rows)} of the training "
        f"rows ({rows} of {facts.rows}) and {percent(of_tasks)} of the test tasks."
    )
    if rows / facts.rows < of_tasks:
        return [(f"Add and verify training rows of the family {weakest.family}.", why)]
    return [(f"Compare the training rows of the family {weakest.family} with its tasks: more of them is not it.", why)]


def _weakness(item: FamilyGain) -> tuple[bool, float]:
    return (not item.harmed, item.gain.value if item.gain.value is not None else 0.0)


def _worse_kinds(facts: TrainingFacts) -> list[_Step]:
    """Kinds shown to have got worse, the largest loss first; families are judged above."""
    worse = [group for group in facts.groups if group.by == "kind" and group.flag == "worse"]
    return [
        (f"Look at what training teaches of the kind {group.name}: add or correct its rows.", _loss(group, facts))
        for group in sorted(worse, key=lambda group: group.gain.value or 0.0)
    ]


def _loss(group: GroupGain, facts: TrainingFacts) -> str:
    gain = group.gain
    between = "" if gain.low is None or gain.high is None else f" (95% {gain.low:+.1f} to {gain.high:+.1f})"
    lost = (
        f"{group.name} lost {abs(gain.value or 0.0):.1f} pp{between} on {counted(group.tasks, 'task')}, "
        "beyond chance over all kinds"
    )
    rows, total = facts.rows_by_kind.get(group.name, 0), sum(facts.rows_by_kind.values())
    return f"{lost}; it is {percent(rows / total)} of the training rows ({rows} of {total})." if total else f"{lost}."


# The form of the answers


def _form_of_answers(facts: TrainingFacts) -> list[_Step]:
    """Failures that say the answer's form is wrong before its content was tried, the most frequent first."""
    no_program = _count(facts, Outcome.NO_CODE, Outcome.PATCH_REJECTED)
    invalid = _count(facts, Outcome.SYNTAX_ERROR)
    found = [
        (facts.truncated, "hit the token limit", "Let the adapter learn to end its answer, or raise max_new_tokens."),
        (no_program, "hold no code or a diff that does not apply", _about_rows(facts, "hold no usable program")),
        (invalid, "are not valid syntax", _about_rows(facts, "are not valid Lua")),
    ]
    notable = [item for item in found if facts.samples and item[0] / facts.samples >= _NOTABLE_SHARE]
    return [
        (action, f"{percent(count / facts.samples)} of the adapter's {counted(facts.samples, 'sample')} {what}.")
        for count, what, action in sorted(notable, key=lambda item: -item[0])
    ]


def _about_rows(facts: TrainingFacts, what: str) -> str:
    """Return a step that blames the training answers only as far as Gate A found fault with them."""
    if facts.broken_rows is None:
        return f"Check whether training answers {what}."
    if facts.broken_rows:
        return f"Correct or remove the {facts.broken_rows} training answers that do not apply, parse or load."
    return f"Read samples that {what}: every training answer loads, so look at the prompt, the base and the training."


def _count(facts: TrainingFacts, *outcomes: Outcome) -> int:
    return sum(facts.outcomes.get(outcome.value, 0) for outcome in outcomes)


# How strongly the adapter acts


@dataclass(frozen=True, slots=True)
class _Best:
    """The chosen cell, where in the sweep it is, and whether it beats every cell of another step or scale."""

    cell: Cell
    sentence: str
    steps: tuple[int, ...]
    scales: tuple[float, ...]
    beats_other_steps: bool
    beats_other_scales: bool


def _best_of(decision: Decision, swept: Mapping[Cell, float | None]) -> _Best | None:
    """Return where the chosen cell is in a sweep of several cells; None where that is not known."""
    chosen = cell_from_name(decision.cell) if len(swept) > 1 else None
    best = swept.get(chosen) if chosen is not None else None
    if chosen is None or best is None:
        return None
    other_steps = [gain for cell, gain in swept.items() if cell.step != chosen.step and gain is not None]
    other_scales = [gain for cell, gain in swept.items() if cell.scale != chosen.scale and gain is not None]
    return _Best(
        cell=chosen,
        sentence=f"{chosen.name} was best of {counted(len(swept), 'cell')} ({points(best)} on dev)",
        steps=tuple(sorted({cell.step for cell in swept})),
        scales=tuple(sorted({cell.scale for cell in swept})),
        beats_other_steps=bool(other_steps) and best > max(other_steps),
        beats_other_scales=bool(other_scales) and best > max(other_scales),
    )


def _edges(decision: Decision, swept: Mapping[Cell, float | None], facts: TrainingFacts) -> list[_Step]:
    """A best cell at the edge of the sweep, better than all that are not, says that the sweep ended too early."""
    best = _best_of(decision, swept)
    if best is None:
        return []
    cell, advice = best.cell, []
    if best.beats_other_steps and cell.step == best.steps[-1] and not facts.is_undertrained:
        advice.append(("Train longer, or on more rows.", f"{best.sentence}, and it is the last checkpoint."))
    elif best.beats_other_steps and cell.step == best.steps[0]:
        advice.append(("Save and sweep earlier checkpoints.", f"{best.sentence}, and it is the first checkpoint."))
    if best.beats_other_scales and cell.scale == best.scales[0]:
        advice.append(("Sweep smaller scales.", f"{best.sentence}, and {cell.scale:g} is the smallest scale."))
    elif best.beats_other_scales and cell.scale == best.scales[-1]:
        advice.append(("Sweep larger scales.", f"{best.sentence}, and {cell.scale:g} is the largest scale."))
    return advice


def _rank(decision: Decision, facts: TrainingFacts) -> list[_Step]:
    """Return a larger rank only where the rows were seen, are not known by heart, and training helped at all."""
    helped = decision.gain.value is not None and decision.gain.value > 0
    by_heart = facts.losses is not None and facts.losses[1] < _LEARNT_BY_HEART
    if facts.is_undertrained or by_heart or not helped:
        return []
    loss = f", the training loss still {facts.losses[1]:.3f}" if facts.losses is not None else ""
    why = f"r is {facts.rank}{loss} and the gain {points(decision.gain.value)}; capacity helps only once the data do."
    return [(f"Raise the LoRA rank from {facts.rank} to {2 * facts.rank}.", why)]


def _learning_rate(facts: TrainingFacts) -> list[_Step]:
    if facts.is_undertrained:
        return []
    why = f"It is {facts.learning_rate:g}; change it alone and last, since it confounds every other comparison."
    return [("Then try another learning rate.", why)]
