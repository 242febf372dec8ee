"""Gate B, baseline: what the base model can do on dev and test tasks, before any training."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict

from pydantic import Field

from env.checks import Check, judged
from eval.records import SPLITS, EvalResult, Sample
from gates.concluding import conclude
from gates.context import GateContext, Plan, PlanContext
from gates.document import Document
from gates.report import GateReport

TITLE = "baseline"
USES = ("seed", "model", "backend", "dataset", "verifier", "sampling", "rule")
NEEDS = ("a",)
ARM = "base"


class Config(Document):
    """Gate B's configuration; how it samples is shared with D and E.

    ``max_truncated_pct``: more completions than this cut at sampling.max_new_tokens draw a warning.
    """

    max_truncated_pct: float = Field(ge=0, le=100)


def plan(context: PlanContext) -> Plan:
    """Return how many samples of the base are drawn."""
    dataset, sampling, rule = context.experiment.dataset, context.experiment.sampling, context.frozen_rule()
    if rule is None and not dataset.tasks_known:
        return Plan(f"base model, {sampling.samples_dev} samples a dev task, {sampling.samples_test} a test task")
    sizes = rule or {"dev_tasks": dataset.dev_tasks, "test_tasks": dataset.test_tasks}
    dev, test = sizes["dev_tasks"], sizes["test_tasks"]
    units = dev * sampling.samples_dev + test * sampling.samples_test
    tasks = f"{dev} dev and {test} test tasks" if test else f"{dev} tasks, none kept for a test"
    return Plan(f"{units:,} samples of the base on {tasks}", units, "samples")


def run(context: GateContext) -> GateReport:
    """Measure the base on every split. Passes whenever it could measure: how good the base is decides nothing here."""
    from gates.measuring.bench import base_table, judge_table, metric_text, open_bench, require_same_base

    path = context.folder / "samples.jsonl"
    with open_bench(context) as bench:
        require_same_base(bench.model, context.earlier("a"))
        # under max-T every task is a dev task
        sizes = {split: bench.planned(split) for split in SPLITS if bench.planned(split)}
        drawn: dict[str, list[Sample]] = {}
        for split in sizes:
            before = sum(map(len, drawn.values()))
            drawn[split] = bench.measure(ARM, split, path, f"base on {split}", before, sum(sizes.values()))
        results = {split: bench.evaluate(samples, ARM, split) for split, samples in drawn.items()}
        tables = {
            "base": base_table(bench.model),
            "results": {split: asdict(result) for split, result in results.items()},
            "judge": judge_table(bench.verifier),
        }
        choices = dict(bench.model.choices)
    metrics = results["test" if "test" in results else "dev"].metrics
    shown = [m for m in metrics if m.k in (1, context.experiment.rule.k)]
    return conclude(
        context,
        "passed",
        "  ".join(metric_text(metric) for metric in shown),
        checks=[truncation_check(context, results.values())],
        metrics=metrics,
        tables=tables,
        files=[path],
        choices=choices,
    )


def truncation_check(context: GateContext, results: Collection[EvalResult]) -> Check:
    """Judge how many completions were cut before the model was done."""
    cut, drawn = (sum(getattr(result, key) for result in results) for key in ("truncated", "samples"))
    limit = context.experiment.gate.b.max_truncated_pct
    return judged(
        "completions finish",
        "warn",
        cut * 100 <= limit * drawn,
        f"{cut} of {drawn} cut at {context.experiment.sampling.max_new_tokens} tokens",
        f"at most {limit:g}%",
        reason="A program that was cut off is judged as wrong, whatever the model knew.",
        fix="Raise sampling.max_new_tokens, or add the model's end marker to sampling.stop.",
    )
