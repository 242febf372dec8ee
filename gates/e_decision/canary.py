"""Whether the adapter is really applied: reference answers scored under base, adapter, and adapter at scale 0."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from eval.decision.cells import Cell
from eval.decision.guards import AnswersMoved, Canary
from gates.context import GateContext, Progress
from gates.measuring.bench import Bench
from gates.measuring.served import announce, greedy
from gates.measuring.stored import verified_checkpoints
from training.backends.base import NoLogProbs


def measure_canary(context: GateContext, bench: Bench, cells: Sequence[Cell]) -> Canary:
    """Score dev references under base, adapter and adapter at scale 0, to see that the adapter is really applied.

    For several cells the worst values are returned: they bound every cell.
    """
    folders = verified_checkpoints(context)
    context.on_progress(Progress("canary", 0, 0, ""))
    announce(bench.model, [(folders[cell.checkpoint], cell.scale) for cell in cells])
    first, *others = [_canary_of(context, bench, folders[cell.checkpoint], cell.scale) for cell in cells]
    for other in others:
        first = replace(
            first,
            moved_nats=min(first.moved_nats, other.moved_nats),
            zero_moved_nats=max(first.zero_moved_nats, other.zero_moved_nats),
            answers=_worst(first.answers, other.answers),
        )
    return first


def _worst(a: AnswersMoved | None, b: AnswersMoved | None) -> AnswersMoved | None:
    if a is None or b is None:
        return a or b
    return AnswersMoved(min(a.moved, b.moved), max(a.zero_moved, b.zero_moved))


def _canary_of(context: GateContext, bench: Bench, adapter: Path, scale: float) -> Canary:
    tasks = bench.tasks("dev")[: context.experiment.gate.e.canary_prompts]

    def scores() -> list[float]:
        return [bench.model.log_prob(bench.scored_prompt(task), task.reference) for task in tasks]

    try:
        base = scores()
    except NoLogProbs:
        return _by_answers(bench, [bench.prompt(task) for task in tasks], adapter, scale)
    with bench.model.adapter(adapter, scale):
        moved = scores()
    with bench.model.adapter(adapter, 0.0):
        zero = scores()
    return Canary(
        moved_nats=max(abs(a - b) for a, b in zip(moved, base, strict=True)),
        zero_moved_nats=max(abs(a - b) for a, b in zip(zero, base, strict=True)),
        prompts=len(tasks),
    )


def _by_answers(bench: Bench, prompts: Sequence[str], adapter: Path, scale: float) -> Canary:
    """Compare greedy answers, where a server tells no log-probabilities of a given text."""
    base = greedy(bench.model, prompts)
    with bench.model.adapter(adapter, scale):
        moved = greedy(bench.model, prompts)
    with bench.model.adapter(adapter, 0.0):
        zero = greedy(bench.model, prompts)
    changed = [sum(a != b for a, b in zip(base, others, strict=True)) for others in (moved, zero)]
    return Canary(0.0, 0.0, len(prompts), AnswersMoved(*changed))
