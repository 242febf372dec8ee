"""The table of a campaign: which fault struck which gate how often, and what that cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tests.faults.campaign import GATES, RunResult, Strike
from tests.faults.plan import Kind


def summary(runs: Sequence[RunResult]) -> dict[str, Any]:
    """Return everything the table shows, as plain data."""
    strikes = [strike for run in runs for strike in run.strikes]
    problems = [sentence for run in runs for sentence in (*run.problems, *(p for s in run.strikes for p in s.problems))]
    differing = {name: count for run in runs for name, count in run.differing.items()}
    return {
        "runs": len(runs),
        "injections": {kind: {gate: _count(strikes, gate, kind) for gate in GATES} for kind in Kind},
        "resumes": {gate: sum(run.resumes[gate] for run in runs) for gate in GATES},
        "lost_units": {gate: _lost(strikes, gate) for gate in GATES},
        "differing_bytes": {gate: _differing(runs, gate) for gate in GATES},
        "steps_again": sum(run.repeated for run in runs),
        "lost": [f"{strike.injection}: {name}" for strike in strikes for name in strike.lost],
        "differing": differing,
        "problems": problems,
    }


def is_clean(found: dict[str, Any]) -> bool:
    """Whether nothing was lost, nothing differs, and every advance ended as it must."""
    return not (found["lost"] or found["differing"] or found["problems"])


def lines(found: dict[str, Any]) -> Iterator[str]:
    """Yield the table, then a line for everything that went wrong."""
    yield _line("", [gate.upper() for gate in GATES], "all")
    for kind, counts in found["injections"].items():
        if any(counts.values()):
            yield _line(kind, list(counts.values()), sum(counts.values()))
    sums = {gate: sum(counts[gate] for counts in found["injections"].values()) for gate in GATES}
    yield _line("-" * 24, ["----"] * len(GATES), "-----")
    for name, values in (
        ("injections", sums),
        ("resumes", found["resumes"]),
        ("lost units", found["lost_units"]),
        ("differing bytes", found["differing_bytes"]),
    ):
        yield _line(name, list(values.values()), sum(values.values()))
    yield f"{found['runs'] - 1} runs from A to E beside the undisturbed one; {found['steps_again']} training steps were done again from a checkpoint"
    for name in ("lost", "problems"):
        yield from (f"{name}: {sentence}" for sentence in found[name])
    yield from (f"differing: {name}: {count} bytes" for name, count in found["differing"].items())


def _line(name: str, values: Sequence[object], total: object) -> str:
    return f"{name:<24}" + "".join(f"{value!s:>6}" for value in values) + f"{total!s:>8}"


def _count(strikes: Sequence[Strike], gate: str, kind: Kind) -> int:
    return sum((strike.injection.gate, strike.injection.kind) == (gate, kind) for strike in strikes)


def _lost(strikes: Sequence[Strike], gate: str) -> int:
    return sum(len(strike.lost) for strike in strikes if strike.injection.gate == gate)


def _differing(runs: Sequence[RunResult], gate: str) -> int:
    return sum(n for run in runs for name, n in run.differing.items() if name.startswith(f"gate_{gate}/"))
