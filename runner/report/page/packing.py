"""The samples of a report as the page carries them: every text once, compressed, small enough for one file.

The page unpacks it with the browser's own DecompressionStream (browser.js reads the same layout). Texts are data all
the way: base64 holds nothing that HTML could take for markup, and the script only ever makes text nodes of them.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from env.counts import counted
from eval.pipeline.scoring import PARTS, Scores
from eval.records import Outcome, Sample
from runner.report.data import ReportData, SampleSource, TaskView

# What the samples may take of a page that stays under 3 MB.
MAX_PACKED_BYTES = 2_400_000
# (characters of a text, samples of an arm and task) that are carried: the first that fits is taken.
_CHARACTERS = (20_000, 12_000, 8_000, 6_000, 4_000, 3_000, 2_000, 1_400, 1_000, 700, 500, 350)
_STEPS: tuple[tuple[int, int | None], ...] = (
    *((characters, None) for characters in _CHARACTERS), (350, 4), (350, 2), (200, 1), (80, 1),
)  # fmt: skip

T = TypeVar("T", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Packed:
    """Samples ready for the page: base64 of deflated JSON, and what was left out to keep it small ("" for nothing)."""

    text: str
    samples: int
    left_out: str


class _Table(Generic[T]):
    """Each distinct value once; ``of`` returns its place."""

    def __init__(self) -> None:
        self._places: dict[T, int] = {}

    def of(self, value: T) -> int:
        return self._places.setdefault(value, len(self._places))

    @property
    def values(self) -> list[T]:
        return list(self._places)


def pack(data: ReportData) -> Packed:
    """Return the tasks and samples of a report, with as much of every text as fits."""
    carried, packed_share = "", 0.0
    packer = _Packer(*_STEPS[0])
    for step in _STEPS:
        # Shorter texts never pack better: what will not fit by the share of the last attempt is not tried.
        if packed_share * _written(data.tasks, *step) > MAX_PACKED_BYTES and step != _STEPS[-1]:
            continue
        packer = _Packer(*step)
        plain = _plain(packer.document(data.tasks, data.source))
        carried = base64.b64encode(zlib.compress(plain)).decode("ascii")
        if len(carried) <= MAX_PACKED_BYTES:
            break
        packed_share = 0.8 * len(carried) / max(1, _written(data.tasks, *step))
    return Packed(carried, packer.samples, packer.left_out(data.tasks))


def _written(tasks: Sequence[TaskView], characters: int, samples: int | None) -> int:
    """Return how many characters of completions an attempt carries, before repetitions are taken out."""
    arms = [arm for task in tasks for arm in (task.base_samples, task.cell_samples)]
    return sum(min(characters, len(sample.completion.text)) for arm in arms for sample in arm[:samples])


def _plain(document: dict[str, Any]) -> bytes:
    # Completions may hold lone surrogates, which UTF-8 cannot.
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8", "replace")


class _Packer:
    """One attempt at packing, with at most so many characters of a text and samples of an arm."""

    def __init__(self, characters: int, samples_of_arm: int | None) -> None:
        self._characters = characters
        self._samples_of_arm = samples_of_arm
        self._texts: _Table[str] = _Table()
        self._checks: _Table[tuple[tuple[str, bool | None, str], ...]] = _Table()
        self._lists: _Table[tuple[str, ...]] = _Table()
        self._marks: _Table[tuple[float, ...]] = _Table()
        self._cut: dict[int, int] = {}
        self.samples = 0

    def document(self, tasks: Sequence[TaskView], source: SampleSource) -> dict[str, Any]:
        """Return the layout that browser.js reads."""
        rows = [self._task(task) for task in tasks]
        return {
            "cell": source.cell,
            "gates": {"base": "B", "cell": source.cell_gate},
            "flags": source.replay_flags,
            "tasks": rows,
            "texts": self._texts.values,
            "cut": self._cut,
            "checks": self._checks.values,
            "lists": self._lists.values,
            "marks": self._marks.values,
        }

    def left_out(self, tasks: Sequence[TaskView]) -> str:
        """Return what a reader does not find in the page."""
        missing = sum(len(task.base_samples) + len(task.cell_samples) for task in tasks) - self.samples
        told = []
        if self._cut:
            told.append(f"{len(self._cut):,} long texts end after {self._characters:,} characters")
        if missing:
            told.append(f"{counted(missing, 'sample')} are in the files alone")
        return "; ".join(told)

    def _text(self, text: str) -> int:
        place = self._texts.of(text[: self._characters])
        if len(text) > self._characters:
            self._cut[place] = len(text) - self._characters
        return place

    def _task(self, task: TaskView) -> dict[str, Any]:
        row: dict[str, Any] = {
            "id": task.task_id,
            "family": task.family,
            "kind": task.kind,
            "cluster": task.cluster,
            "difficulty": task.difficulty,
            "answer": task.answer,
            "status": task.status,
            "seen": self._lists.of(task.seen),
            "instruction": self._text(task.instruction),
            "input": self._text(task.input),
            "reference": self._text(task.reference),
            "prompt": self._text(task.prompt),
            "gain": None if task.gain is None else round(task.gain, 1),
        }
        for arm, c, n, samples, marks in (
            ("base", task.base_c, task.base_n, task.base_samples, task.base_marks),
            ("cell", task.cell_c, task.cell_n, task.cell_samples, task.cell_marks),
        ):
            of_index = {sample.index: _rounded(each) for sample, each in zip(samples, marks, strict=False)}
            at_most = self._samples_of_arm
            shown = samples if at_most is None else representatives(samples, at_most)
            row[arm] = {"c": c, "n": n, "samples": [self._sample(s, of_index.get(s.index)) for s in shown]}
        return row

    def _sample(self, sample: Sample, marks: tuple[float, ...] | None) -> list[Any]:
        self.samples += 1
        verdict, candidate = sample.verdict, sample.candidate
        written = self._text(sample.completion.text)
        return [
            sample.index,
            verdict.outcome.value,
            self._text(verdict.detail or candidate.detail),
            None if candidate.code is None else self._text(candidate.code),
            written,
            self._checks.of(tuple((check.name, check.passed, check.detail) for check in verdict.checks)),
            self._lists.of(verdict.registered),
            self._lists.of(verdict.api_calls),
            self._lists.of(verdict.findings),
            self._text(" · ".join(filter(None, _circumstances(sample)))),
            sample.completion.tokens,
            round(1000 * verdict.seconds, 1),
            # a 62-bit seed is more than a number of JavaScript can hold
            str(sample.seed),
            None if marks is None else self._marks.of(marks),
        ]


def _circumstances(sample: Sample) -> tuple[str, ...]:
    return (
        "hit the token limit" if sample.completion.finish == "length" else "stopped",
        f"patch matched: {sample.candidate.patch_level}" if sample.candidate.patch_level else "",
        f"extracted as {sample.candidate.rule}" if sample.candidate.rule else "",
        f"verifier {sample.verdict.verifier}" if sample.verdict.verifier else "",
        f"isolation {sample.verdict.isolation}" if sample.verdict.isolation else "",
    )


def _rounded(scores: Scores | None) -> tuple[float, ...] | None:
    """Return the four marks in the order of PARTS, to hundredths; None for a sample without."""
    return None if scores is None else tuple(round(getattr(scores, part), 2) for part in PARTS)


def representatives(samples: Sequence[Sample], at_most: int) -> list[Sample]:
    """Return the first sample of each outcome, passed first, then the most frequent ways to fail, at most so many."""
    ordered = sorted(samples, key=lambda sample: sample.index)
    often = Counter(sample.verdict.outcome for sample in ordered)
    firsts = {sample.verdict.outcome: sample for sample in reversed(ordered)}
    by_weight = sorted(
        firsts.values(), key=lambda s: (s.verdict.outcome != Outcome.PASSED, -often[s.verdict.outcome], s.index)
    )
    return by_weight[:at_most]
