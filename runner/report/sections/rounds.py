"""Rounds of rejection sampling in a report: what was drawn and kept, and the gain over the control arms."""

from __future__ import annotations

from collections.abc import Iterator

from env.counts import counted
from eval.rejection.answers import Drawn
from gates.report.results import SweepResults, TrainingResults
from gates.report.rounds import RoundFacts
from runner.report.data import DrawnRow, Fact, Rounds
from runner.report.sections.verdict import metric_interval
from runner.views.artifacts import Artifacts


def read_rounds(found: Artifacts) -> Rounds | None:
    """Return the rounds of Gate C; None where it drew nothing."""
    trained, sweep = found.results(TrainingResults), found.results(SweepResults)
    if trained is None or not trained.rounds:
        return None
    controls = sweep.controls if sweep is not None else ()
    return Rounds(
        drawn=tuple(row for facts in trained.rounds for row in _drawn(facts)),
        facts=tuple(fact for facts in trained.rounds for fact in _facts(facts)),
        gains=tuple(
            metric_interval(gain, f"{gain.name} over {control.arm}") for control in controls for gain in control.gains
        ),
    )


def _drawn(facts: RoundFacts) -> Iterator[DrawnRow]:
    groups = {
        "all": facts.drawn,
        **facts.by_family,
        **{f"difficulty {level}": drawn for level, drawn in facts.by_difficulty.items()},
    }
    for group, drawn in groups.items():
        yield _row(facts.round, group, drawn)


def _row(round: int, group: str, drawn: Drawn) -> DrawnRow:
    return DrawnRow(
        round, group, drawn.tasks, drawn.solved, drawn.all_pass, drawn.samples, drawn.passed, drawn.distinct
    )


def _facts(facts: RoundFacts) -> Iterator[Fact]:
    dropped = ", ".join(f"{count} {why}" for why, count in facts.dropped.items())
    kept = f"{counted(facts.kept, 'answer')} to {counted(facts.kept_tasks, 'task')}"
    yield Fact(f"Round {facts.round} drawn by", facts.drawer, f"{counted(facts.new_solved, 'task')} newly solved")
    yield Fact(f"Round {facts.round} kept", kept, f"not kept: {dropped}" if dropped else "")
    for arm in facts.arms:
        rows = f"{arm.own} own and {arm.gold} gold rows, {counted(arm.steps, 'step')}"
        loss = f"loss {arm.loss_at_start:.3f} → {arm.loss_at_end:.3f}"
        yield Fact(f"Round {facts.round} {f'control arm {arm.arm}' if arm.arm else 'trained'}", rows, loss)
