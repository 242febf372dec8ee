"""Samples on disk: one JSON line each, appended as they are verified, in the plan's order once all are there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from env.files import append_lines, read_lines, write_atomic
from env.refusal import Refusal
from env.space import DiskFull
from eval.records import Sample, sample_from_json

SampleKey = tuple[str, int]
"""Task id and index: what a sample is called within its arm."""


def read_samples(path: Path) -> list[Sample]:
    """Return the stored samples in file order; a torn last line is dropped; [] where the file does not exist.

    Raises:
        Refusal: a complete line is not a sample, or one (arm, task, index) appears twice.
    """
    if not path.exists():
        return []
    samples: list[Sample] = []
    seen: dict[tuple[str, str, int], int] = {}
    for number, (_, sample) in enumerate(_lines(path), start=1):
        key = (sample.arm, sample.task_id, sample.index)
        if key in seen:
            raise Refusal(
                f"{path}, line {number}: duplicate sample: {sample.task_id} #{sample.index} is already on "
                f"line {seen[key]}.",
                "The file was edited: rewind the gate that wrote it.",
            )
        seen[key] = number
        samples.append(sample)
    return samples


def append_samples(path: Path, samples: Sequence[Sample], missing: int) -> None:
    """Store ``samples``; a full disk is refused with an estimate for all that are ``missing``."""
    lines = [json.dumps(sample.to_json(), ensure_ascii=False, allow_nan=False) for sample in samples]
    try:
        append_lines(path, lines)
    except DiskFull as full:
        line_bytes = sum(len(line.encode("utf-8")) + 1 for line in lines) / len(lines)
        raise full.needing(int(line_bytes * missing), f"the {missing:,} samples still to be stored") from None


def put_in_order(path: Path, arm: str, planned: Sequence[SampleKey]) -> None:
    """Put the lines of ``arm`` that are ``planned`` into that order; other lines stay where they are.

    A stop stores the finished samples of an unfinished call before the rest of it: afterwards the file is the same as
    that of an undisturbed measurement.
    """
    rank = {key: place for place, key in enumerate(planned)}
    lines = [(line, rank.get((s.task_id, s.index)) if s.arm == arm else None) for line, s in _lines(path)]
    ordered = iter(sorted((place, line) for line, place in lines if place is not None))
    write_atomic(path, "".join(f"{line if place is None else next(ordered)[1]}\n" for line, place in lines))


def _lines(path: Path) -> Iterator[tuple[str, Sample]]:
    for number, line in enumerate(read_lines(path), start=1):
        try:
            yield line, sample_from_json(json.loads(line))
        except (ValueError, KeyError, TypeError) as error:
            raise Refusal(
                f"{path}, line {number}: not a sample ({error!r}).", "Rewind the gate that wrote it."
            ) from None
