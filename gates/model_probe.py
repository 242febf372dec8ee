"""A look at the model before the long gates: one real training step, one generated and executed sample."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from env.checks import Check, fact, judged
from eval.pipeline import judge
from eval.prompts import render
from eval.records import Dataset
from eval.sampling import GenerationRequest, sample_seed
from eval.verify import open_verifier
from gates.context import GateContext
from gates.measuring import base_table, examples_of, one_process
from training.backends import check_settings, load_model


@dataclass(frozen=True, slots=True)
class Probed:
    """What the probe found: judged checks, the numbers behind them, and what identifies the base."""

    checks: list[Check]
    table: dict[str, Any]
    base: dict[str, Any]


def probe_model(context: GateContext, dataset: Dataset) -> Probed:
    """Load the model, take one training step that is thrown away, draw one sample and execute it."""
    experiment = context.experiment
    check_settings(experiment.backend.name, experiment.model, experiment.gate.c.lora)
    model = load_model(experiment.backend.name, one_process(experiment.model))
    try:
        config = experiment.gate.c
        rows = dataset.rows[: config.train.batch_size]
        loss = model.probe_step(examples_of(rows, model), config.lora, config.train)
        sample = _one_sample(context, dataset, model)
        base = base_table(model)
        choices = [fact(f"model {name}", chosen) for name, chosen in model.choices.items()]
    finally:
        model.close()
    checks = [_loss_check(loss), _sample_check(sample), *choices]
    return Probed(checks, {"loss": loss if math.isfinite(loss) else None, "sample": sample}, base)


def _one_sample(context: GateContext, dataset: Dataset, model: Any) -> dict[str, Any]:
    """Return one dev task's completion and what executing it gave. Test tasks stay closed."""
    experiment = context.experiment
    task = next(task for task in dataset.tasks if task.split == "dev")
    prompt = render(task.instruction, task.input, model.apply_chat_template)
    request = GenerationRequest(prompt, (sample_seed(experiment.seed, task.id, 0),))
    [[completion]] = model.generate([request], experiment.sampling.settings())
    with open_verifier(experiment.verifier) as verifier:
        [(_, verdict)] = judge([(task, completion.text)], verifier)
    return {
        "task_id": task.id,
        "prompt": prompt,
        "completion": completion.text,
        "tokens": completion.tokens,
        "finish": completion.finish,
        "outcome": verdict.outcome,
        "detail": verdict.detail,
        "verifier": verdict.verifier,
        "isolation": verdict.isolation,
    }


def _loss_check(loss: float) -> Check:
    return judged(
        "training step",
        "block",
        math.isfinite(loss),
        f"loss {loss:.3f} on one batch, forward and backward",
        "a finite loss",
        reason="Training would produce nothing but NaN.",
        fix="Try model.dtype=float32, or another base model.",
    )


def _sample_check(sample: dict[str, Any]) -> Check:
    return judged(
        "generated sample",
        "block",
        sample["outcome"] != "HARNESS_ERROR",
        f"{sample['tokens']} tokens on {sample['task_id']}: {sample['outcome']}",
        "a verdict on what was executed",
        reason=str(sample["detail"]),
        fix="Mend the verifier: `python -m runner doctor`.",
    )
