"""The samples that a gate stored: one JSON line each, read back complete or refused by line."""

from __future__ import annotations

import json
from pathlib import Path

from env.files import read_lines
from env.refusal import Refusal
from eval.records import Sample, sample_from_json


def read_samples(path: Path) -> list[Sample]:
    """Return the stored samples in file order; a torn last line is dropped; [] where the file does not exist.

    Raises:
        Refusal: a complete line is not a sample, or one (arm, task, index) appears twice.
    """
    if not path.exists():
        return []
    samples: list[Sample] = []
    seen: dict[tuple[str, str, int], int] = {}
    for number, line in enumerate(read_lines(path), start=1):
        try:
            sample = sample_from_json(json.loads(line))
        except (ValueError, KeyError, TypeError) as error:
            raise Refusal(
                f"{path}, line {number}: not a sample ({error!r}).", "Rewind the gate that wrote it."
            ) from None
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
