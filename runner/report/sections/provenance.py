"""The provenance part of a report: gates and checks, configuration, versions, digests, the journal, repetition."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from env.checks import Check
from env.files import digest
from env.refusal import Refusal
from gates.report import GateReport
from gates.report.results import EnvironmentResults, TrainingResults
from runner.report.data import CheckRow, ConfigRow, Fact, GateSection, Provenance, TimelineRow
from runner.runs.journal import Event
from runner.views.artifacts import NOTHING, Artifacts, read_config
from runner.views.run_view import CONCLUDED, RunView
from runner.views.wording import duration_text

_EVIDENCE_SHOWN = 20
# Gate A's facts that describe the machine.
_HARDWARE = ("system", "cores", "memory", "gpu", "disk", "verifier", "isolation", "model device", "model dtype")


def read_gates(found: Artifacts, view: RunView) -> tuple[GateSection, ...]:
    """Return every gate: where it stands by the journal, what it concluded by its report."""
    sections = []
    for gate in view.gates:
        report = found.reports.get(gate.gate) if gate.state in CONCLUDED else None
        sections.append(
            GateSection(
                gate=gate.gate.upper(),
                title=gate.title,
                state="said no" if gate.state == "failed" else gate.state,
                at=gate.at,
                took=duration_text(gate.seconds),
                headline=report.headline if report is not None else gate.text,
                attempt=gate.attempt,
                reasons=tuple(report.reasons) if report is not None else (),
                checks=tuple(check_row(check) for check in report.checks) if report is not None else (),
                choices=tuple(Fact(k, v) for k, v in report.choices.items()) if report is not None else (),
                files=_files(found, gate.gate),
            )
        )
    return tuple(sections)


def _files(found: Artifacts, gate: str) -> tuple[str, ...]:
    """Return a gate's report and log, as far as they are there."""
    names = (f"gate_{gate}/report.json", f"logs/gate_{gate}.log")
    return tuple(name for name in names if (found.run.folder / name).is_file())


def check_row(check: Check) -> CheckRow:
    """Return a check with its state in one word and the first of its evidence."""
    return CheckRow(
        name=check.name,
        state=_state(check),
        value=check.value,
        expected=check.expected,
        reason=check.reason,
        fix=check.fix,
        waived=check.waived,
        evidence=tuple(check.evidence[:_EVIDENCE_SHOWN]),
        more_evidence=max(0, len(check.evidence) - _EVIDENCE_SHOWN),
    )


def _state(check: Check) -> str:
    if check.ok:
        return "ok" if check.expected else "fact"
    if check.waived:
        return "waived"
    return "blocks" if check.level == "block" else "warns"


def read_provenance(found: Artifacts) -> Provenance:
    """Return where every number comes from."""
    run = found.run
    facts = [
        Fact("Run", run.id),
        Fact("Created", run.info.created_at),
        Fact("Source", run.info.git or "unknown"),
        _overrides("Overrides at creation", run.info.argv),
        _overrides("Overrides now", read_overrides(found)),
    ]
    kept = run.folder / "attempts"
    return Provenance(
        facts=(*facts, *found.section("Base model", _base_model, NOTHING)),
        config=found.section("config.yaml", read_config_rows, NOTHING),
        versions=_versions(found),
        hardware=_hardware(found),
        digests=found.section("Digests", _digests, NOTHING),
        artifacts=tuple(
            Fact(item.path, item.sha256, f"{item.bytes:,} bytes")
            for r in found.reports.values()
            for item in r.artifacts
        ),
        timeline=tuple(_timeline_row(event) for event in run.journal.events),
        attempts=tuple(sorted(p.name for p in kept.iterdir())) if kept.is_dir() else (),
    )


def _overrides(label: str, overrides: Sequence[str]) -> Fact:
    return Fact(label, " ".join(map(shlex.quote, overrides)) or "none", is_code=bool(overrides))


def read_overrides(found: Artifacts) -> list[str]:
    """Return the overrides of the run's configuration; [] where they cannot be read, which is named."""
    return found.section("overrides.txt", lambda artifacts: artifacts.run.overrides(), [])


def read_config_rows(found: Artifacts) -> tuple[ConfigRow, ...]:
    """Return the resolved configuration: what an override set is marked, and what conf/ would have given instead."""
    defaults = _defaults()
    set_keys = [text.partition("=")[0].replace("/", ".") for text in read_overrides(found)]
    return tuple(
        ConfigRow(key, _shown(value), _is_set(key, set_keys), _other_default(key, value, defaults))
        for key, value in _leaves(read_config(found), "")
    )


@lru_cache
def _defaults() -> dict[str, Any]:
    """Return what conf/ gives today without any override; {} where it cannot be composed."""
    from runner.runs.config import compose_experiment

    try:
        return dict(_leaves(compose_experiment([])[1], ""))
    except Refusal:
        return {}


def _other_default(key: str, value: Any, defaults: Mapping[str, Any]) -> str | None:
    if key not in defaults or _shown(defaults[key]) == _shown(value):
        return None
    return _shown(defaults[key])


def _leaves(config: dict[str, Any], prefix: str) -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for key, value in config.items():
        rows += _leaves(value, f"{prefix}{key}.") if isinstance(value, dict) else [(f"{prefix}{key}", value)]
    return rows


def _shown(value: Any) -> str:
    return "none" if value is None else ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _is_set(key: str, set_keys: Sequence[str]) -> bool:
    return any(key == name or key.startswith(f"{name}.") for name in set_keys)


def _versions(found: Artifacts) -> tuple[Fact, ...]:
    """Return library versions; where gates ran with different ones, each with its gates."""
    seen: dict[str, dict[str, str]] = {}
    for gate, report in found.reports.items():
        for name, version in {**report.versions, **_project_files(report)}.items():
            versions = seen.setdefault(name, {})
            versions[version] = versions.get(version, "") + gate.upper()
    return tuple(
        Fact(name, version, "" if len(versions) == 1 else f"gates {', '.join(gates)}")
        for name, versions in sorted(seen.items())
        for version, gates in versions.items()
    )


def _project_files(report: GateReport) -> dict[str, str]:
    """Return how many files of the project the gate used and one digest over them; {} in a report without the list."""
    files = report.source_files
    return {"project files": f"{len(files)}, digest {digest(files)[:12]}"} if files else {}


def _hardware(found: Artifacts) -> tuple[Fact, ...]:
    report = found.reports.get("a")
    checks = {check.name: check for check in report.checks} if report is not None else {}
    return tuple(Fact(name, checks[name].value, checks[name].reason) for name in _HARDWARE if name in checks)


def _base_model(found: Artifacts) -> tuple[Fact, ...]:
    base = found.base
    return (Fact("Base model", f"{base.parameters:,} parameters", base.digest),) if base is not None else ()


def _digests(found: Artifacts) -> tuple[Fact, ...]:
    environment, trained = found.results(EnvironmentResults), found.results(TrainingResults)
    facts = []
    if environment is not None:
        facts.append(Fact("Dataset", environment.dataset.digest))
        if environment.frozen is not None:
            facts.append(Fact("Decision rule", environment.frozen.digest))
    if trained is not None:
        facts += [Fact(f"Adapter, step {row.step}", row.digest) for row in trained.checkpoints]
    return tuple(facts)


def _timeline_row(event: Event) -> TimelineRow:
    what = str(event.type).replace("_", " ")
    if event.gate:
        what = what.replace("gate", f"gate {event.gate.upper()}", 1)
    told = [event.data.get(key) for key in ("headline", "sentence", "profile")]
    for key in ("changed", "why"):
        if isinstance(event.data.get(key), list):
            told.append("; ".join(map(str, event.data[key])))
    return TimelineRow(event.seq, event.at, what, " ".join(str(item) for item in told if item))


def read_reproduction(found: Artifacts) -> tuple[str, ...]:
    """Return the commands that repeat this experiment."""
    commit = found.run.info.git.split(" ")[0]
    is_commit = len(commit) >= 7 and all(sign in "0123456789abcdef" for sign in commit)
    overrides = "".join(f" {shlex.quote(text)}" for text in read_overrides(found))
    return (
        *([f"git checkout {commit}"] if is_commit else []),
        f"python -m runner new --from-defaults{overrides}",
        "python -m runner advance",
    )
