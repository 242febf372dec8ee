"""The training part of a report: loss, learning rate and gradient norm by step, restarts, what was trained."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeGuard

from env.counts import counted
from eval.decision.cells import cell_from_name
from gates.report.results import CheckpointFacts, SweepResults, TrainingFacts, TrainingResults
from runner.report.data import Fact, Series, Training
from runner.views.artifacts import Artifacts, read_json_lines
from runner.views.folder_facts import training_folder

# A curve of more points than a screen has columns shows the same; means of neighbours keep the page small.
_MAX_POINTS = 400
# What is drawn, in this order, of what metrics.jsonl has.
_DRAWN = (("loss", "loss"), ("learning_rate", "learning rate"), ("grad_norm", "gradient norm"))


def read_training(found: Artifacts) -> Training | None:
    """Return the curves of metrics.jsonl (a repeated step counts as last trained); None before the first step."""
    trained, sweep = found.results(TrainingResults), found.results(SweepResults)
    rows = read_json_lines(found, _folder(found, trained) / "metrics.jsonl")
    by_step = {int(row["step"]): row for row in rows}
    if not by_step:
        return None
    steps = sorted(by_step)
    return Training(
        series=tuple(series for key, name in _DRAWN if (series := _series(by_step, steps, key, name)).points),
        restarts=tuple(b for a, b in pairwise(steps) if by_step[a]["session"] != by_step[b]["session"]),
        checkpoints=tuple(row.step for row in _drawn_checkpoints(trained)),
        chosen=sweep.chosen.step if sweep is not None and _is_drawn(sweep, trained) else None,
        facts=(*_facts(trained, by_step[steps[-1]]), *_not_finite(by_step, steps)),
    )


def _folder(found: Artifacts, trained: TrainingResults | None) -> Path:
    """Return where the curves are: of several trainings those of the last one whose checkpoints can be chosen."""
    if trained is None or not trained.rounds:
        return training_folder(found.run.gate_folder("c"))
    return (found.run.folder / trained.checkpoints[-1].folder).parents[1]


def _drawn_checkpoints(trained: TrainingResults | None) -> list[CheckpointFacts]:
    if trained is None:
        return []
    return [row for row in trained.checkpoints if row.round == trained.checkpoints[-1].round]


def _is_drawn(sweep: SweepResults, trained: TrainingResults | None) -> bool:
    """Whether the chosen checkpoint is one of the training whose curves are shown."""
    chosen = cell_from_name(sweep.chosen.cell)
    return trained is None or chosen.round == trained.checkpoints[-1].round


def _series(by_step: Mapping[int, Mapping[str, Any]], steps: Sequence[int], key: str, name: str) -> Series:
    told = [(step, by_step[step].get(key)) for step in steps]
    return Series(name, thinned([(step, float(value)) for step, value in told if _is_finite(value)], _MAX_POINTS))


def _is_finite(value: Any) -> TypeGuard[float]:
    """Whether a recorded value can be drawn; a NaN loss is told as a fact instead."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def thinned(points: Sequence[tuple[int, float]], at_most: int) -> tuple[tuple[int, float], ...]:
    """Return the points, or means of equally many neighbours when there are more than ``at_most``."""
    size = -(-len(points) // at_most)
    if size <= 1:
        return tuple(points)
    groups = [points[at : at + size] for at in range(0, len(points), size)]
    return tuple((group[-1][0], sum(value for _, value in group) / len(group)) for group in groups)


def _not_finite(by_step: Mapping[int, Mapping[str, Any]], steps: Sequence[int]) -> list[Fact]:
    wrong = [step for step in steps if not _is_finite(by_step[step]["loss"])]
    return [Fact("Loss not finite", counted(len(wrong), "step"), f"first at step {wrong[0]}")] if wrong else []


def _facts(trained: TrainingResults | None, last: Mapping[str, Any]) -> tuple[Fact, ...]:
    facts = [Fact("Last step", f"{last['step']}", f"loss {last['loss']:.3f}")]
    if trained is None:
        return tuple(facts)
    told = trained.training
    dropped = f"{told.dropped} dropped as too long" if told.dropped else "none dropped"
    resumed = "resumed after an interruption" if len(told.sessions) > 1 else "without interruption"
    facts += [
        Fact(
            "Loss",
            f"{told.loss_at_start:.3f} → {told.loss_at_end:.3f}",
            _window(told),
        ),
        Fact("Rows", f"{told.examples:,}", dropped),
        Fact("Trained parameters", f"{told.trainable_parameters:,}", f"in {told.targets} modules"),
        Fact("Sessions", f"{len(told.sessions)}", resumed),
    ]
    if told.quarantined:
        facts.append(Fact("Quarantined", ", ".join(told.quarantined), "incomplete checkpoints"))
    return tuple(facts)


def _window(told: TrainingFacts) -> str:
    """Return over how many steps the two losses are means; a short training has fewer than ten of either."""
    steps = told.loss_window_steps
    return "of the first and the last step" if steps == 1 else f"means of the first and last {counted(steps, 'step')}"
