"""A check: one thing that was examined, what was found, what a failure means and how to fix it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Level = Literal["block", "warn", "info"]
MAX_EVIDENCE = 200


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check, as a gate report stores it.

    Attributes:
        level: what a failure means: "block" stops the gate, "warn" is printed, "info" is a fact.
        ok: whether the expectation held; facts without an expectation are ok.
        waived: the user's reason for continuing despite the failure.
        evidence: the items found, at most 200; ``data`` holds them for programs, where a sentence is not enough.
    """

    name: str
    level: Level
    ok: bool
    value: str
    expected: str = ""
    reason: str = ""
    fix: str = ""
    waived: str = ""
    evidence: tuple[str, ...] = ()
    data: tuple[dict[str, Any], ...] = ()

    @property
    def blocks(self) -> bool:
        """Whether this check alone makes its gate say no."""
        return self.level == "block" and not self.ok and not self.waived


def fact(name: str, value: object, reason: str = "") -> Check:
    """Return a fact: it was found and has no expectation."""
    return Check(name, "info", True, str(value), reason=reason)


def judged(
    name: str,
    level: Level,
    ok: bool,
    value: object,
    expected: str,
    *,
    reason: str = "",
    fix: str = "",
    evidence: Sequence[str] = (),
    data: Sequence[dict[str, Any]] = (),
) -> Check:
    """Return a check of an expectation; a pass drops ``reason`` and ``fix``; evidence is cut at 200 items."""
    kept, rows = tuple(evidence[:MAX_EVIDENCE]), tuple(data[:MAX_EVIDENCE])
    missed = ("", "") if ok else (reason, fix)
    return Check(name, level, ok, str(value), expected, *missed, evidence=kept, data=rows)


def ok(name: str, value: object, expected: str = "", level: Level = "block") -> Check:
    """Return a check that passed; ``level`` is what a failure would have meant."""
    return Check(name, level, True, str(value), expected)


def block(name: str, value: object, expected: str, reason: str, fix: str, evidence: Sequence[str] = ()) -> Check:
    """Return a failure that stops the gate."""
    return judged(name, "block", False, value, expected, reason=reason, fix=fix, evidence=evidence)


def warn(name: str, value: object, expected: str, reason: str, fix: str = "", evidence: Sequence[str] = ()) -> Check:
    """Return a failure that is printed and does not stop the gate."""
    return judged(name, "warn", False, value, expected, reason=reason, fix=fix, evidence=evidence)


def blocking(checks: Iterable[Check]) -> tuple[Check, ...]:
    """Return the checks that stop a gate."""
    return tuple(check for check in checks if check.blocks)
