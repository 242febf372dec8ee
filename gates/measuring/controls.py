"""Arms that are trained to be compared with: measured on every dev task beside the arm that counts, never chosen."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from eval.decision.cells import Cell, cell_at
from eval.decision.rule import DecisionRule
from eval.estimation.estimators import paired_gains
from eval.estimation.intervals import estimate_gain, gain_metric
from eval.records import EvalResult, Metric
from gates.context import GateContext
from gates.measuring.bench import Bench
from gates.measuring.served import announce
from gates.measuring.stored import cell_file, control_checkpoints
from gates.report.results import ControlFacts, TrainingResults
from gates.settings import Experiment


def compared_scale(experiment: Experiment) -> float:
    """Return the scale at which arms are compared: as trained, or the nearest that is swept."""
    return min(experiment.gate.d.scales, key=lambda scale: (abs(scale - 1), scale))


def compared_arms(context: GateContext) -> dict[Cell, Path]:
    """Return the last checkpoint of the last round, then the control arms', each with its folder; {} without arms.

    They are settled before anything is measured: the best of several cells would look better than it is.
    """
    controls = control_checkpoints(context)
    if not controls:
        return {}
    scale = compared_scale(context.experiment)
    last = max(context.earlier(TrainingResults).checkpoints, key=lambda row: (row.round, row.step))
    folders = {last.name: context.run_dir / last.folder, **controls}
    return {cell_at(name, scale): folder for name, folder in folders.items()}


def measure_controls(context: GateContext, bench: Bench, rule: DecisionRule) -> tuple[ControlFacts, ...]:
    """Measure the arms on all dev tasks, resuming; return what the arm that counts gains over each control."""
    arms = compared_arms(context)
    announce(bench.model, [(folder, cell.scale) for cell, folder in arms.items()])
    each = bench.planned("dev")
    results: dict[Cell, EvalResult] = {}
    for place, (cell, folder) in enumerate(arms.items()):
        with bench.model.adapter(folder, cell.scale):
            file = cell_file(context, cell)
            samples = bench.measure(cell.name, "dev", file, f"arm {cell.name}", place * each, len(arms) * each)
        results[cell] = bench.evaluate(samples, cell.name, "dev")
    trained, controls = next(iter(results), None), list(results)[1:]
    return () if trained is None else tuple(_facts(control, trained, results, rule) for control in controls)


def _facts(control: Cell, trained: Cell, results: Mapping[Cell, EvalResult], rule: DecisionRule) -> ControlFacts:
    return ControlFacts(
        arm=control.arm,
        cell=control.name,
        trained=trained.name,
        result=results[control],
        trained_result=results[trained],
        gains=tuple(_gain(results[control], results[trained], k, rule) for k in sorted({1, rule.k})),
    )


def _gain(control: EvalResult, trained: EvalResult, k: int, rule: DecisionRule) -> Metric:
    gains = paired_gains(control.scores, trained.scores, k)
    estimate = estimate_gain(gains, seed=rule.seed, resamples=rule.resamples, alpha=rule.alpha)
    return gain_metric(f"pass@{k}", estimate)


def gain_text(gain: Metric) -> str:
    """Return "+3.1 pp (-2.0 to +8.2)", or "undefined"."""
    if gain.value is None or gain.low is None or gain.high is None:
        return "undefined"
    return f"{gain.value:+.1f} pp ({gain.low:+.1f} to {gain.high:+.1f})"
