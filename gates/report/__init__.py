"""A gate's result: the versioned report.json, written last, which completes the gate."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationError, model_validator

from env.checks import Check
from env.files import sha256_file, write_atomic
from env.refusal import Refusal
from eval.records import Metric
from gates.report.document import Document
from gates.report.results import Results
from gates.report.upgrade import upgraded


class ArtifactRecord(Document):
    """A file the gate wrote: path relative to the run folder, bytes, sha256."""

    path: str
    bytes: int
    sha256: str


class Reused(Document):
    """The origin of reused results: which attempt of which run computed them."""

    run: str
    attempt: int
    report_sha256: str


class GateReport(Document):
    """report.json: what a gate found and what it concluded.

    status "passed" lets the run continue; "failed" means the gate measured and said no. A gate that could not
    measure writes no report.
    """

    schema_version: Literal[3] = Field(default=3, description="1 and 2 are read by gates/report/upgrade.py")
    gate: Literal["a", "b", "c", "d", "e"]
    title: str
    status: Literal["passed", "failed"]
    headline: str = Field(description="one line for status screens, such as 'pass@1 21.4  pass@5 34.8 ± 3.9'")
    reasons: list[str] = Field(default_factory=list, description="why the status is what it is, most important first")
    attempt: int = 1
    started_at: str
    finished_at: str
    seconds: float = Field(description="wall time over all resumptions of this attempt")
    checks: list[Check] = Field(default_factory=list)
    metrics: list[Metric] = Field(default_factory=list)
    results: Results | None = Field(default=None, description="what it found; None where it said no before it had any")
    inputs: dict[str, str] = Field(description="digest of each thing the gate depends on: config, data, earlier gates")
    artifacts: list[ArtifactRecord] = Field(default_factory=list)
    choices: dict[str, str] = Field(default_factory=dict, description="automatic choices: name -> 'value: reason'")
    versions: dict[str, str] = Field(default_factory=dict)
    source_files: dict[str, str] = Field(
        default_factory=dict,
        description="each file of the project that computing opened -> its SHA-256, or 'changed' meanwhile",
    )
    reused_from: Reused | None = Field(
        default=None, description="the run that computed it; times, checks and numbers are those of that run"
    )

    @model_validator(mode="after")
    def _own_results(self) -> Self:
        if self.results is not None and self.results.gate != self.gate:
            raise ValueError(f"results are of gate {self.results.gate}, the report of gate {self.gate}")
        return self


def write_report(path: Path, report: GateReport) -> None:
    """Write ``report`` atomically and durably: after this returns the gate is done."""
    write_atomic(path, report.model_dump_json(indent=2) + "\n")


def read_report(path: Path) -> GateReport | None:
    """Return the report at ``path``, or None where there is none.

    Raises:
        Refusal: the file has another schema version, or is not a report.
    """
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Refusal(f"{path} cannot be read: {error.strerror}.", "Restore it, or `rewind` its gate.") from None
    try:
        return parse_report(text)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "document"
        wrong = f"{key}: {first['msg']}"
    except KeyError as error:
        wrong = f"{error.args[0]}: it is missing"
    except (ValueError, TypeError, AttributeError) as error:
        wrong = str(error)
    raise Refusal(
        f"{path}: not a gate report of schema 1, 2 or 3: {wrong}.",
        "It was written by another version or edited by hand: read it with that version, or `rewind` its gate.",
    )


def parse_report(text: bytes) -> GateReport:
    """Return the report in the text of a report.json of any schema so far.

    Raises:
        ValidationError, KeyError, ValueError, TypeError, AttributeError: it is none; where, and what is wrong.
    """
    # strict: a truth value is no number, a number no text
    return GateReport.model_validate_json(json.dumps(upgraded(json.loads(text))), strict=True)


def artifact(run_dir: Path, path: Path) -> ArtifactRecord:
    """Describe a finished file of this run by its bytes."""
    return ArtifactRecord(
        path=path.relative_to(run_dir).as_posix(), bytes=path.stat().st_size, sha256=sha256_file(path)
    )


def changed_artifacts(run_dir: Path, report: GateReport) -> Iterator[str]:
    """Yield a sentence for every artifact of ``report`` that is missing, unreadable or changed."""
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
    """Return the first 12 digits of a digest, enough to distinguish two files."""
    return sha256[:12]
