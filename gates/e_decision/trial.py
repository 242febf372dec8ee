"""The trial of the chosen cell: on unseen test tasks, or, where there are none, on the dev tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from env.refusal import Refusal
from eval.decision.cells import Cell, cell_from_name
from eval.decision.guards import Canary, Evidence
from eval.decision.rule import DecisionRule
from eval.decision.selection import select_cell
from eval.decision.verdict import Decision, decide, decide_max_t
from eval.pipeline.stored_samples import read_samples
from eval.records import Split, TaskScore
from gates.context import GateContext
from gates.e_decision.canary import measure_canary
from gates.e_decision.openings import record_opening
from gates.measuring.bench import Bench
from gates.measuring.beyond_model import require_even
from gates.measuring.stored import base_of, cell_file, verified_checkpoints
from gates.report.results import Arms, EnvironmentResults, Opening, SweepResults


@dataclass(frozen=True, slots=True)
class Trial:
    """What Gate E bases its decision on.

    Attributes:
        split: of the decision's tasks: "test", or "dev" under max-T.
        arms: the base and the cell on that split.
        openings: every opening of the test tasks in this run; none under max-T.
        files: the samples Gate E itself generated.
        decide: the decision on these scores, given the evidence.
    """

    cell: Cell
    split: Split
    arms: Arms
    canary: Canary
    openings: list[Opening]
    files: list[Path]
    decide: Callable[[Evidence], Decision]


def hold_trial(context: GateContext, bench: Bench, rule: DecisionRule) -> Trial:
    """Return the trial of the cell that Gate D chose, by the kind of selection that the rule froze."""
    return _on_unseen_tasks(context, bench, rule) if rule.selection == "split" else _on_all_tasks(context, bench, rule)


def _on_unseen_tasks(context: GateContext, bench: Bench, rule: DecisionRule) -> Trial:
    """Open test once, for the base and the one chosen cell."""
    cell = cell_from_name(context.earlier(SweepResults).chosen.cell)
    canary = measure_canary(context, bench, [cell])
    openings = record_opening(context.run_dir, context.attempt, context.started_at, cell.name)
    path = context.folder / "samples.jsonl"
    folder = verified_checkpoints(context)[cell.checkpoint]
    with bench.model.adapter(folder, cell.scale):
        samples = bench.measure(cell.name, "test", path, f"{cell.name} on test", 0, bench.planned("test"))
    base, result = base_of(bench, context, "test"), bench.evaluate(samples, cell.name, "test")
    require_even(base, result)

    def judged(evidence: Evidence) -> Decision:
        return decide(base.scores, result.scores, rule, evidence)

    return Trial(cell, "test", Arms(base=base, cell=result), canary, openings, [path], judged)


def _on_all_tasks(context: GateContext, bench: Bench, rule: DecisionRule) -> Trial:
    """Decide on the tasks of the selection: nothing is generated, no test task opened; the bounds are corrected."""
    cells = {row.place: row.result.scores for row in context.earlier(SweepResults).cells}
    base = base_of(bench, context, "dev")
    chosen, *others = _cells_to_judge(context, base.scores, cells, rule)
    canary = measure_canary(context, bench, [chosen, *others])
    result = bench.evaluate(read_samples(cell_file(context, chosen)), chosen.name, "dev")
    require_even(base, result)

    def judged(evidence: Evidence) -> Decision:
        return decide_max_t(base.scores, cells, rule, evidence)[1]

    return Trial(chosen, "dev", Arms(base=base, cell=result), canary, [], [], judged)


def _cells_to_judge(
    context: GateContext, base: Sequence[TaskScore], cells: Mapping[Cell, Sequence[TaskScore]], rule: DecisionRule
) -> list[Cell]:
    """Return the chosen cell, and the one that is chosen without the tasks that training has seen where it differs."""
    seen = set(context.earlier(EnvironmentResults).contaminated)
    chosen = [select_cell(base, cells, rule).chosen]
    unseen = {cell: [score for score in own if score.task_id not in seen] for cell, own in cells.items()}
    try:
        chosen.append(select_cell([score for score in base if score.task_id not in seen], unseen, rule).chosen)
    except Refusal:
        # no task is left to choose by: the decision without those tasks says so itself
        return chosen
    return list(dict.fromkeys(chosen))
