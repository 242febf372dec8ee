"""Whether a finished gate would come out the same if it were computed here and now: code, packages, base and verifier.

Not covered: a processor whose last bits differ from those of the one that computed it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from env.counts import listed_text
from env.installed.opened_files import CHANGED, differences
from gates.report import GateReport
from gates.report.results import Measured, TrainingResults

# A reason names so many files.
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Installation:
    """What would compute a gate now: the files of ``project``, with packages of these ``versions``."""

    project: Path
    versions: Mapping[str, str]


def difference(report: GateReport, own: GateReport | None, here: Installation) -> str:
    """Return what was otherwise when ``report`` was made; "" when its numbers would come out the same here and now.

    ``own`` is this run's report of Gate A.
    """
    return (
        _code_difference(report.source_files, here.project)
        or _version_difference(report.versions, here.versions)
        or _model_difference(report, own)
    )


def _code_difference(recorded: Mapping[str, str], project: Path) -> str:
    if not recorded:
        return "its report does not say which files of the project it used, so a changed one would not show"
    unsteady = [name for name, sha256 in recorded.items() if sha256 == CHANGED]
    if unsteady:
        return f"files changed while it was computed: {listed_text(unsteady, _NAMED)}"
    changed = differences(project, recorded)
    return f"it was computed by other code: {listed_text(changed, _NAMED)} changed since" if changed else ""


def _version_difference(recorded: Mapping[str, str], present: Mapping[str, str]) -> str:
    differing = sorted(name for name in {*present, *recorded} if present.get(name) != recorded.get(name))
    shown = ", ".join(f"{n} {recorded.get(n, 'none')}, now {present.get(n, 'none')}" for n in differing)
    return f"it was computed with other versions ({shown})" if differing else ""


def _model_difference(report: GateReport, own: GateReport | None) -> str:
    if own is None or own.results is None or report.results is None or own.results.base != report.results.base:
        return "it was computed with another base model than Gate A loaded"
    facts = {check.name: check.value for check in own.checks}
    if "server" in report.choices:
        return "it was sampled at a server, which may have changed since"
    # a training has a judge where answers were drawn for it
    judge = report.results.judge if isinstance(report.results, Measured | TrainingResults) else None
    if judge is not None and (facts.get("verifier"), facts.get("isolation")) != (judge.verifier, judge.isolation):
        return f"it was verified by {judge.verifier} ({judge.isolation}), which is not the verifier here"
    for name in ("device", "dtype"):
        if facts.get(f"model {name}") != report.choices.get(name):
            return f"its model ran with {name} {report.choices.get(name)}, here {facts.get(f'model {name}')}"
    return ""
