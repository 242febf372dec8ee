"""Whether the files a gate left are still the files it wrote, judged by their bytes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from env.files import sha256_file
from env.refusal import Refusal
from gates.report import GateReport


def changed_artifacts(run_dir: Path, report: GateReport) -> Iterator[str]:
    """Yield a sentence for every artifact of ``report`` that is missing, unreadable or of other bytes now."""
    for record in report.artifacts:
        path = run_dir / record.path
        if not path.is_file():
            yield f"{record.path} is missing; gate {report.gate.upper()} wrote it."
            continue
        try:
            found = sha256_file(path)
        except (OSError, Refusal) as error:
            yield f"{record.path} cannot be read: {error}"
            continue
        if found != record.sha256:
            yield (
                f"{record.path} is not the file that gate {report.gate.upper()} wrote: its SHA-256 differs "
                f"(expected {short(record.sha256)}, {record.bytes:,} bytes; "
                f"found {short(found)}, {path.stat().st_size:,} bytes)."
            )


def short(sha256: str) -> str:
    """Return the first 12 digits of a digest, enough to tell two files apart."""
    return sha256[:12]
