"""Gate B, baseline: what the base model can do on dev and test tasks, before any training."""

from __future__ import annotations

from collections.abc import Collection

from env.checks import Check, judged
from eval.records import SPLITS, EvalResult, Sample, Split
from gates.context import GateContext, conclude
from gates.measuring.bench import base_facts, judge_facts, metric_text, open_bench, require_same_base
from gates.report import GateReport
from gates.report.results import BaselineResults, EnvironmentResults

ARM = "base"


def run(context: GateContext) -> GateReport:
    """Measure the base on every split. Passes whenever it could measure, however good the base is."""
    path = context.folder / "samples.jsonl"
    with open_bench(context) as bench:
        require_same_base(bench.model, context.earlier(EnvironmentResults))
        # under max-T every task is a dev task
        sizes = {split: bench.planned(split) for split in SPLITS if bench.planned(split)}
        drawn: dict[Split, list[Sample]] = {}
        for split in sizes:
            before = sum(map(len, drawn.values()))
            drawn[split] = bench.measure(ARM, split, path, f"base on {split}", before, sum(sizes.values()))
        splits = {split: bench.evaluate(samples, ARM, split) for split, samples in drawn.items()}
        base, judge = base_facts(bench.model), judge_facts(bench.verifier)
        choices = bench.choices([path])
    metrics = splits["test" if "test" in splits else "dev"].metrics
    shown = [m for m in metrics if m.k in (1, context.experiment.rule.k)]
    return conclude(
        context,
        "passed",
        "  ".join(metric_text(metric) for metric in shown),
        checks=[truncation_check(context, splits.values()), *thought_checks(context, splits.values())],
        metrics=metrics,
        results=BaselineResults(base=base, judge=judge, splits=splits),
        files=[path],
        choices=choices,
    )


def truncation_check(context: GateContext, results: Collection[EvalResult]) -> Check:
    """Check how many completions were cut before the model was done."""
    cut, drawn = (sum(getattr(result, key) for result in results) for key in ("truncated", "samples"))
    limit = context.experiment.gate.b.max_truncated_pct
    return judged(
        "completions finish",
        "warn",
        cut * 100 <= limit * drawn,
        f"{cut} of {drawn} cut at {context.experiment.sampling.max_new_tokens} tokens",
        f"at most {limit:g}%",
        reason="A program that was cut off counts as wrong, whatever the model knew.",
        fix="Raise sampling.max_new_tokens, or add the model's end marker to sampling.stop.",
    )


def thought_checks(context: GateContext, results: Collection[EvalResult]) -> list[Check]:
    """Check how many thoughts were closed by force; [] where the model may not think."""
    budget = context.experiment.sampling.thinking.max_tokens
    if not budget:
        return []
    keys = ("thoughts", "thoughts_cut", "thought_tokens", "answer_tokens", "samples")
    thoughts, cut, spent, answered, drawn = (sum(getattr(result, key) for result in results) for key in keys)
    limit = context.experiment.gate.b.max_truncated_pct
    each = f"{spent / max(1, thoughts):.0f} tokens a thought and {answered / max(1, drawn):.0f} an answer"
    return [
        judged(
            "thoughts finish",
            "warn",
            cut * 100 <= limit * thoughts,
            f"{cut} of {thoughts} closed by force at {budget} tokens; {each}",
            f"at most {limit:g}% closed by force",
            reason="After a thought that was cut off the model answers from what it has, and may go on thinking.",
            fix="Raise sampling.thinking.max_tokens, or lower the effort by prompt.template_arguments.",
        )
    ]
