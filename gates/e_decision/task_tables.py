"""The tables of Gate E by task and by group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from env.files import digest
from eval.decision.regressions import GroupGain, Precision, group_gains, group_rows, labels_of, movers
from eval.decision.rule import DecisionRule
from eval.records import EvalResult, Task

MOVERS_NAMED = 10


def task_rows(
    tasks: Sequence[Task], results: Mapping[str, EvalResult], contamination: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return one row a task: its prompt and reference, and how often each arm ("base", "cell") passed it.

    ``digest`` is of the whole task, its checks included: two runs with equal digests used the same prompt and checks.

    Args:
        contamination: Gate A's table of that name; ``contamination`` of a row is "" where training saw none of it,
            else status and tier, such as "CONTAMINATED T1".
    """
    scores = {arm: {s.task_id: s for s in result.scores} for arm, result in results.items()}
    seen = contamination.get("tasks", {})
    return [
        {
            "task_id": task.id,
            "family": task.family,
            "kind": task.kind,
            "difficulty": task.difficulty,
            "cluster": task.cluster,
            "instruction": task.instruction,
            "input": task.input,
            "reference": task.reference,
            "answer": task.answer,
            "digest": digest(asdict(task)),
            "contamination": f"{seen[task.id]['status']} {seen[task.id]['tier']}" if task.id in seen else "",
            **{f"{arm}_{key}": getattr(scores[arm][task.id], key) for arm in ("base", "cell") for key in ("c", "n")},
        }
        for task in tasks
    ]


def gains_by_group(
    tasks: Sequence[Task], results: Mapping[str, EvalResult], rule: DecisionRule
) -> tuple[GroupGain, ...]:
    """Return the gain of every family, kind and difficulty, at the rule's alpha."""
    precision = Precision(rule.alpha, rule.seed, rule.resamples)
    return group_gains(results["base"].scores, results["cell"].scores, labels_of(tasks), rule.k, precision)


def regression_tables(
    groups: Sequence[GroupGain], results: Mapping[str, EvalResult], rule: DecisionRule
) -> dict[str, Any]:
    """Return "groups": every family's, kind's and difficulty's gain; "movers": the tasks with the largest change."""
    furthest = movers(results["base"].scores, results["cell"].scores, rule.k, MOVERS_NAMED)
    return {
        "groups": group_rows(groups),
        "movers": {
            "lost": [asdict(move) for move in furthest.lost],
            "gained": [asdict(move) for move in furthest.gained],
        },
    }
