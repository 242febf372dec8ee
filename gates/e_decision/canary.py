"""Whether the adapter is really applied: reference answers scored under base, adapter, and adapter at scale 0."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from eval.decision.cells import Cell
from eval.decision.guards import Canary
from gates.context import GateContext, Progress
from gates.measuring.bench import Bench
from gates.measuring.stored import verified_checkpoints


def measure_canary(context: GateContext, bench: Bench, cells: Sequence[Cell]) -> Canary:
    """Score dev references under base, adapter and adapter at scale 0, to see that the adapter is really applied.

    For several cells the worst values are returned: they bound every cell.
    """
    folders = verified_checkpoints(context)
    context.on_progress(Progress("canary", 0, 0, ""))
    first, *others = [_canary_of(context, bench, folders[cell.step], cell.scale) for cell in cells]
    for other in others:
        first = replace(
            first,
            moved_nats=min(first.moved_nats, other.moved_nats),
            zero_moved_nats=max(first.zero_moved_nats, other.zero_moved_nats),
        )
    return first


def _canary_of(context: GateContext, bench: Bench, adapter: Path, scale: float) -> Canary:
    tasks = bench.tasks("dev")[: context.experiment.gate.e.canary_prompts]

    def scores() -> list[float]:
        return [bench.model.log_prob(bench.scored_prompt(task), task.reference) for task in tasks]

    base = scores()
    with bench.model.adapter(adapter, scale):
        moved = scores()
    with bench.model.adapter(adapter, 0.0):
        zero = scores()
    return Canary(
        moved_nats=max(abs(a - b) for a, b in zip(moved, base, strict=True)),
        zero_moved_nats=max(abs(a - b) for a, b in zip(zero, base, strict=True)),
        prompts=len(tasks),
    )
