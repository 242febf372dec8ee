"""What screens say of a Gate C that is in its rounds of rejection sampling: from its files alone, finished or not."""

from __future__ import annotations

import json
import os
from pathlib import Path

from gates.context import PlanContext
from gates.plans import plan
from runner.runs.config import compose_experiment
from runner.screens.latest import last_losses
from runner.views.folder_facts import newest_checkpoint, resumes, safe_work, training_folder


def trained(folder: Path, steps: list[int], checkpoints: list[int], at: int) -> None:
    for step in checkpoints:
        place = folder / "checkpoints" / f"step-{step:06d}"
        place.mkdir(parents=True)
        (place / "CHECKPOINT.json").write_text("{}")
    lines = [json.dumps({"step": step, "loss": 1.0 / step}) for step in steps]
    (folder / "metrics.jsonl").write_text("".join(f"{line}\n" for line in lines))
    os.utime(folder / "metrics.jsonl", (at, at))


def test_what_is_safe_is_told_by_round_and_losses_are_those_of_the_training_at_work(tmp_path: Path) -> None:
    rounds = tmp_path / "gate_c" / "rounds"
    assert resumes(tmp_path, "c") == "starts over: no checkpoint yet"
    trained(rounds / "0", [1, 2], [2], at=1000)
    (rounds / "1").mkdir()
    (rounds / "1" / "draws.jsonl").write_text("{}\n" * 1240)
    assert safe_work(tmp_path, "c") == "round 1: 1,240 answers, 1 checkpoint"
    assert resumes(tmp_path, "c") == "resumes in round 1: 1,240 answers, 1 checkpoint"
    trained(rounds / "1" / "controls" / "gold", [1, 2, 3, 4], [2, 4], at=3000)
    trained(rounds / "1", [1, 2, 3], [2], at=2000)
    assert training_folder(tmp_path / "gate_c") == rounds / "1" / "controls" / "gold"
    assert newest_checkpoint(tmp_path / "gate_c") == 4
    losses = last_losses(tmp_path)
    assert losses is not None
    assert (losses.step, losses.values) == (4, (1.0, 0.5, 1 / 3, 0.25))
    assert safe_work(tmp_path, "c") == "round 1: 1,240 answers, 4 checkpoints"


def test_the_plan_counts_answers_and_steps_of_every_training(tmp_path: Path) -> None:
    experiment = compose_experiment(["gate/c=rft", "gate.c.rft.tasks=100"])[0]
    context = PlanContext(tmp_path, experiment)
    assert plan("c", context).summary == "1 round of 800 answers, 2 control arms, 420 steps"
    assert plan("d", context).summary.startswith("4 checkpoints x 3 scales on the dev tasks")
