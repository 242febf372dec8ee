"""Mistakes that a program makes only sometimes: one module for each family of them, each yielding findings."""

from __future__ import annotations

from collections.abc import Iterator

from eval.domains.roblox.findings.bugs.connections import connection_findings
from eval.domains.roblox.findings.bugs.loops import loop_findings
from eval.domains.roblox.findings.bugs.nilable import nilable_findings
from eval.domains.roblox.findings.bugs.players import player_findings
from eval.domains.roblox.findings.bugs.remotes import remote_findings
from eval.domains.roblox.findings.bugs.unprotected import unprotected_findings
from eval.domains.roblox.findings.finding import Finding
from eval.domains.roblox.findings.program.reading import Reading

_FAMILIES = (
    nilable_findings,
    unprotected_findings,
    loop_findings,
    connection_findings,
    player_findings,
    remote_findings,
)


def bug_findings(reading: Reading) -> Iterator[Finding]:
    """Yield the mistakes of every family."""
    for family in _FAMILIES:
        yield from family(reading)
