"""How often the test tasks were opened in a run: test_openings.jsonl, which every rewind keeps."""

from __future__ import annotations

import json
from pathlib import Path

from env.files import append_lines, read_lines
from env.refusal import Refusal
from gates.report.results import Opening

FILE = "test_openings.jsonl"


def record_opening(run_dir: Path, attempt: int, at: str, cell: str) -> list[Opening]:
    """Record that Gate E's ``attempt`` opens test for ``cell``, before its first sample; return all of the run's.

    Resuming the same attempt after a kill is the same opening.

    Raises:
        Refusal: a line is not an opening, or an earlier attempt drew samples that the file does not record.
    """
    openings = read_openings(run_dir)
    if not any(o.attempt == attempt and o.cell == cell for o in openings):
        opening = Opening(at=at, attempt=attempt, cell=cell)
        append_lines(run_dir / FILE, [json.dumps(opening.model_dump())])
        openings.append(opening)
    return openings


def read_openings(run_dir: Path) -> list[Opening]:
    """Return every opening of the run. Raises Refusal as ``record_opening`` does."""
    path = run_dir / FILE
    openings = [_opening(path, number, line) for number, line in enumerate(read_lines(path), start=1)]
    told = {opening.attempt for opening in openings}
    for samples in sorted((run_dir / "attempts").glob("gate_e.*/samples.jsonl")):
        attempt = samples.parent.name.partition(".")[2]
        if attempt.isdecimal() and int(attempt) not in told and read_lines(samples):
            raise Refusal(
                f"{path} does not record attempt {attempt} of gate E, which drew samples on the test tasks.",
                "Restore the file: an opening that is not counted makes the next decision look better than it is.",
            )
    return openings


def _opening(path: Path, number: int, line: str) -> Opening:
    try:
        raw = json.loads(line)
        return Opening(at=str(raw["at"]), attempt=int(raw["attempt"]), cell=str(raw["cell"]))
    except (ValueError, KeyError, TypeError) as error:
        raise Refusal(
            f"{path}, line {number}: not an opening of the test tasks ({error!r}).", "Restore that line."
        ) from None
