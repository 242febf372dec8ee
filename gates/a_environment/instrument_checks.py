"""Whether the tasks are a sound instrument: references pass, constants and wrong answers fail, and why not."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module

from env.checks import Check, judged, warn
from env.counts import counted
from eval.datasets.derived_misses import derived_misses
from eval.domains import Cause, Derives, Domain
from eval.pipeline.instrument import KnownAnswer
from eval.records import Task

_CORRECT_REFERENCES = (
    "Correct these references, or the checks that they fail; `python -m runner tasks FILE` lists both."
)
_NAMES = re.compile(r"\"[^\"]*\"|\w+:\w+|\d+")


def with_derived_misses(tasks: Sequence[Task], domain: Domain) -> list[Task]:
    """Return the tasks that have no near misses of their own, with derived ones."""
    return [replace(task, near_misses=derived_misses(task, domain)) for task in tasks if not task.near_misses]


def cause_of(failing: Sequence[KnownAnswer], total: int, domain: Domain) -> Cause:
    """Return why references fail: what the domain knows of it, else what most of them say."""
    deriver: Derives = import_module(domain.derive)  # type: ignore[assignment]
    known = deriver.common_cause([answer.verdict.detail for answer in failing])
    if known is not None and 2 * known.count > len(failing):
        return replace(known, clause=f"{known.count} of {total} references fail because {known.clause}")
    [(most, count)] = Counter(_without_names(_said(answer)) for answer in failing).most_common(1)
    example = next(answer for answer in failing if _without_names(_said(answer)) == most)
    alike = f"{count} of them like " if 1 < count < len(failing) else ""
    told = f"{alike}{example.task.source or example.task.id}: {_said(example)}"
    return Cause(count, f"{len(failing)} of {total} references fail: {told}", _CORRECT_REFERENCES)


def _said(answer: KnownAnswer) -> str:
    return f"{answer.verdict.outcome}: {answer.verdict.detail}"


def _without_names(text: str) -> str:
    """Return ``text`` without what differs between programs with one fault: quoted words, names, numbers."""
    return _NAMES.sub("*", text)


def reference_check(failing: Sequence[KnownAnswer], total: int, excluded: bool, cause: Cause | None) -> Check:
    """Return whether every reference passes its own task's checks, and the likely cause where not."""
    return judged(
        "references",
        "warn" if excluded else "block",
        not failing,
        f"{total - len(failing)} of {total} pass their own checks" + (", the rest are left out" if excluded else ""),
        "every reference passes",
        reason=(f"{cause.clause}. " if cause else "")
        + "A task whose own reference fails measures the task, not the model.",
        fix=(cause.fix if cause else _CORRECT_REFERENCES)
        + ("" if excluded else " Or measure without them: dataset.exclude_broken_references=true."),
        evidence=[f"{a.task.source or a.task.id}: {_said(a)}" for a in failing],
    )


def constant_check(accepting: Sequence[KnownAnswer]) -> Check:
    """Return whether no task accepts an answer that tells nothing."""
    return judged(
        "constant answers",
        "block",
        not accepting,
        f"accepted by {counted(len(accepting), 'task')}",
        "no task accepts a fixed answer",
        reason="A task that accepts a fixed answer measures nothing about the model.",
        fix="Give these tasks checks for what the instruction requires.",
        evidence=[f"{a.task.id}: accepts {a.answer!r}" for a in accepting],
    )


def near_miss_check(misses: Sequence[KnownAnswer], derived: Sequence[KnownAnswer]) -> Check:
    """Return whether wrong answers are rejected: near misses that a task's author gave, and derived ones.

    None at all proves nothing, so that is no pass; an accepted derived one warns, as it may be right by chance.
    """
    accepted = [miss for miss in misses if miss.passed]
    unnoticed = [miss for miss in derived if miss.passed]
    if not misses and not derived:
        return warn(
            "near misses",
            "none given, and none can be derived",
            "wrong answers that the checks reject",
            "Nothing shows that these checks reject a wrong answer.",
            "State names, textures and numbers in the prompts, so that checks can require them.",
        )
    told = [
        *([f"{len(accepted)} of {len(misses)} plausible wrong answers are accepted"] if misses else []),
        *([f"{len(unnoticed)} of {len(derived)} changed values go unnoticed"] if derived else []),
    ]
    return judged(
        "near misses",
        "block" if accepted else "warn",
        not accepted and not unnoticed,
        "; ".join(told),
        "every wrong answer is rejected",
        reason="A task that accepts a known wrong answer does not measure what it claims.",
        fix="Make the checks of these tasks stricter, or remove the near miss."
        if accepted
        else "State these values beside their field in the prompt, in quotes, or count on their being free; what a "
        "function alone does with a value is never checked.",
        evidence=[
            *(f"{a.task.source or a.task.id}: accepts a near miss: {a.why}" for a in accepted),
            *(f"{a.task.source or a.task.id}: passes although {a.why}" for a in unnoticed),
        ],
    )
