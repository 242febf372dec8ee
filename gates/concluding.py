"""How a gate's report is put together: times, inputs, versions and artifacts are the same for every gate."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from env.checks import Check
from eval.records import Metric
from gates import gate_title
from gates.context import GateContext
from gates.report import GateReport, artifact


def conclude(
    context: GateContext,
    status: Literal["passed", "failed"],
    headline: str,
    *,
    reasons: Sequence[str] = (),
    checks: Sequence[Check] = (),
    metrics: Sequence[Metric] = (),
    tables: dict[str, Any] | None = None,
    files: Sequence[Path] = (),
    choices: dict[str, str] | None = None,
) -> GateReport:
    """Return the gate's report; the worker writes it, last of all."""
    return GateReport(
        gate=context.gate,  # type: ignore[arg-type]
        title=gate_title(context.gate),
        status=status,
        headline=headline,
        reasons=list(reasons),
        attempt=context.attempt,
        started_at=context.started_at,
        finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=context.elapsed_s(),
        checks=list(checks),
        metrics=list(metrics),
        tables=tables or {},
        inputs=context.inputs,
        artifacts=[artifact(context.run_dir, path) for path in files],
        choices=choices or {},
        versions=context.versions,
    )
