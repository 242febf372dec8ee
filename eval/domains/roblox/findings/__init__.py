"""What reading a Luau program finds: names the engine does not have, mistakes, habits. It decides no outcome.

``find`` reads a program by its syntax tree and the API's facts and executes nothing. Without tree-sitter-luau it
refuses; it never finds nothing because it could not look.
"""

from __future__ import annotations

from collections.abc import Iterator

from eval.domains.roblox.findings.api import api_findings
from eval.domains.roblox.findings.bugs import bug_findings
from eval.domains.roblox.findings.deprecated import deprecated_findings
from eval.domains.roblox.findings.finding import Finding, Kind
from eval.domains.roblox.findings.mismatches import mismatch_findings
from eval.domains.roblox.findings.program.inference import infer
from eval.domains.roblox.findings.program.reading import Reading
from eval.domains.roblox.findings.program.tree import NotRead, read
from eval.domains.roblox.findings.sides import Side, side_findings
from eval.domains.roblox.findings.style import style_findings

__all__ = ["Finding", "Kind", "Side", "find", "findings_in"]


def find(code: str, side: Side = "") -> tuple[Finding, ...]:
    """Return the findings of a program by line, each once.

    Args:
        side: where it runs; "" leaves that to what its comments say.

    Raises:
        Refusal: tree-sitter-luau is not installed.
    """
    try:
        reading = infer(read(code))
    except NotRead as reason:
        return (Finding(1, "unread", "not-read", f"the program was not read: it is {reason}"),)
    return tuple(sorted(set(findings_in(reading, side))))


def findings_in(reading: Reading, side: Side = "") -> Iterator[Finding]:
    """Yield the findings of a program that was read, rule by rule."""
    yield from api_findings(reading)
    yield from mismatch_findings(reading)
    yield from deprecated_findings(reading)
    yield from bug_findings(reading)
    yield from style_findings(reading)
    yield from side_findings(reading, side)
