"""From a round's draws to the answers that are kept: scores.jsonl, then selected.jsonl."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from env.files import read_lines, write_atomic
from env.refusal import Refusal
from eval.domains import Domain, open_verifier
from eval.pipeline.verifier import Verifier, VerifierSettings
from eval.records import Outcome, Sample
from eval.rejection.answers import AnswerKey, OwnAnswer, own_answers, program_name
from eval.rejection.marks import marks_of, second_opinions
from eval.rejection.selection import Selection, SelectionRules, select
from gates.c_training.rounds.grading import Graded, grade
from gates.c_training.rounds.workshop import Workshop
from gates.context import Progress

SCORES, SELECTED = "scores.jsonl", "selected.jsonl"


@dataclass(frozen=True, slots=True)
class Scored:
    """What orders a round's answers that passed; ``second_verifier`` is "" where nothing else is installed."""

    marks: dict[AnswerKey, dict[str, float]]
    second: dict[AnswerKey, Outcome | None]
    second_verifier: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """A round's answers, and which are kept."""

    answers: list[OwnAnswer]
    selection: Selection
    second_verifier: str
    graded: Graded


def choose(shop: Workshop, number: int, samples: Sequence[Sample]) -> Chosen:
    """Return which of a round's answers are kept; both files are written whole, and again with the same bytes."""
    answers = own_answers(samples, shop.tasks)
    passed = [sample for sample in samples if sample.verdict.outcome is Outcome.PASSED]
    scored = _scored(shop, shop.folder(number) / SCORES, passed)
    graded = grade(shop, number, passed)
    selection = select(answers, scored.marks, scored.second, graded.by_content, rules_of(shop))
    _store_selected(shop.folder(number) / SELECTED, selection, {(s.task_id, s.index): s for s in passed})
    return Chosen(answers, selection, scored.second_verifier, graded)


def rules_of(shop: Workshop) -> SelectionRules:
    """Return the rules of the configuration, with the domain's constant answers."""
    settings = shop.settings
    return SelectionRules(
        keep=settings.keep,
        keep_per_task=settings.keep_per_task,
        threshold=settings.threshold,
        weights=settings.weights.model_dump(),
        max_all_pass_pct=settings.max_all_pass_pct,
        constants=frozenset(map(program_name, shop.domain.constant_answers)),
    )


def _scored(shop: Workshop, path: Path, passed: Sequence[Sample]) -> Scored:
    stored = _read_scores(path, passed)
    if stored is not None:
        return stored
    shop.context.on_progress(Progress("scoring", 0, 0, "", f"{len(passed):,} answers that passed"))
    marks = marks_of(passed, shop.tasks, shop.domain)
    with second_verifier(shop.domain, shop.context.experiment.verifier, shop.verifier) as other:
        second = second_opinions(passed, shop.tasks, other) if other is not None else {}
        scored = Scored(marks, second, "" if other is None else other.name)
    lines = [
        {"task_id": one.task_id, "index": one.index, "marks": marks.get(key), "second": second.get(key)}
        for one in passed
        for key in [(one.task_id, one.index)]
    ]
    head = {"second_verifier": scored.second_verifier, "answers": len(lines)}
    write_atomic(path, "".join(json.dumps(line) + "\n" for line in [head, *lines]))
    return scored


def _read_scores(path: Path, passed: Sequence[Sample]) -> Scored | None:
    """Return the stored scores; None where there are none of these very answers."""
    try:
        head, *lines = (json.loads(line) for line in read_lines(path))
        keys = [(line["task_id"], line["index"]) for line in lines]
        if keys != [(one.task_id, one.index) for one in passed]:
            return None
        name = head["second_verifier"]
    except (ValueError, KeyError, TypeError):
        return None
    return Scored(
        {key: line["marks"] for key, line in zip(keys, lines, strict=True) if line["marks"] is not None},
        {key: _outcome(line["second"]) for key, line in zip(keys, lines, strict=True)} if name else {},
        name,
    )


def _outcome(name: str | None) -> Outcome | None:
    return None if name is None else Outcome(name)


def _store_selected(path: Path, selection: Selection, samples: dict[AnswerKey, Sample]) -> None:
    lines: list[dict[str, Any]] = [
        {
            "task_id": kept.answer.task_id,
            "index": kept.answer.index,
            "family": kept.answer.family,
            "content": kept.answer.content,
            "score": round(kept.score, 6),
            "output": samples[kept.answer.key].completion.text,
        }
        for kept in selection.kept
    ]
    write_atomic(path, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))


@contextmanager
def second_verifier(domain: Domain, settings: VerifierSettings, first: Verifier) -> Iterator[Verifier | None]:
    """Open the first verifier of ``domain`` that is installed and is not the ``first`` one; yield None without one."""
    other = _another(domain, settings, first)
    with nullcontext() if other is None else other:
        yield other


def _another(domain: Domain, settings: VerifierSettings, first: Verifier) -> Verifier | None:
    for name in domain.verifiers:
        if name == "auto" or name == first.name.partition("/")[0]:
            continue
        try:
            other = open_verifier(domain, replace(settings, name=name))
        except Refusal:
            # not installed here
            continue
        if other.name != first.name:
            return other
        other.close()
    return None
