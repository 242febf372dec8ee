"""Programs without a task, judged: does each run without an error, what does it make, what does reading it find?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from env.silence import reach, turn_to
from eval.domains import Project, scorer_of
from eval.interop.projects import Found
from eval.pipeline.scoring import Scorer
from eval.pipeline.verifier import Job, Verifier
from eval.records import Outcome, Verdict


@dataclass(frozen=True, slots=True)
class Verified:
    """A program and its verdict: PASSED means that it ran without an error, under no check of any task.

    Attributes:
        findings: of its verdict and of reading it, the latter with the name of the file where it has several.
    """

    project: Project
    verdict: Verdict
    findings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain data, without the texts of the files."""
        return {
            "path": self.project.path,
            "files": sorted(self.project.sources),
            "mod_name": self.project.mod_name,
            "remarks": self.project.remarks,
            "verdict": asdict(self.verdict) | {"findings": self.findings},
        }


def verify_projects(found: Found, verifier: Verifier) -> Iterator[Verified]:
    """Yield the verdict on each program of ``found``, in order."""
    turn_to(f"verifying {len(found.projects):,} programs")
    scorer = scorer_of(found.domain)
    futures = [verifier.submit(Job(project.code, (), project.mod_name)) for project in found.projects]
    for number, (project, future) in enumerate(zip(found.projects, futures, strict=True), start=1):
        verdict = future.result()
        yield Verified(project, verdict, (*verdict.findings, *_read(project, verdict, scorer)))
        reach(number, len(futures), "programs")


def _read(project: Project, verdict: Verdict, scorer: Scorer) -> Iterator[str]:
    """Yield what reading the files finds beyond the verdict; nothing where the program does not compile."""
    if verdict.outcome is Outcome.SYNTAX_ERROR:
        return
    for name, text in project.sources.items():
        for finding in scorer.findings(text):
            if finding not in verdict.findings:
                yield f"{name}: {finding}" if len(project.sources) > 1 else finding
