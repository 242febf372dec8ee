"""Small changes as text: the unified diff that is requested, and the older format careless models send."""

from __future__ import annotations

import difflib

from eval.dealing.problem import Problem
from eval.records import NearMiss, TaskCheck


def unified_diff(before: str, after: str, file: str) -> str:
    """Return the unified diff of ``file`` without context that turns ``before`` into ``after``.

    A pure insertion keeps the line before it as context, so that the diff says where it belongs.
    """
    diff = _diff(before, after, file, context=0)
    if not any(line.startswith("-") and not line.startswith("---") for line in diff):
        diff = _diff(before, after, file, context=1)
    return "".join(diff)


def diff_with_context(before: str, after: str, file: str) -> str:
    """Return the unified diff of ``file``, with three lines of context, that turns ``before`` into ``after``."""
    return "".join(_diff(before, after, file, context=3))


def _diff(before: str, after: str, file: str, context: int) -> list[str]:
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    return list(difflib.unified_diff(old, new, file, file, n=context))


def normal_diff(before: str, after: str) -> str:
    """Return the change in the format ``diff`` writes without ``-u`` (POSIX): one change, a hunk without context."""
    old, new = before.splitlines(), after.splitlines()
    changes = difflib.SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes()
    tag, i1, i2, j1, j2 = next(change for change in changes if change[0] != "equal")
    if tag == "insert":
        return "".join((f"{i1}a{j1 + 1}\n", *(f"> {line}\n" for line in new[j1:j2])))
    removed, added = (f"< {line}\n" for line in old[i1:i2]), (f"> {line}\n" for line in new[j1:j2])
    return "".join((f"{i1 + 1}c{j1 + 1}\n", *removed, "---\n", *added))


def mended(
    broken: str, whole: str, file: str, checks: tuple[TaskCheck, ...], slots: dict[str, str] | None = None
) -> Problem:
    """Return the problem of turning ``broken`` into ``whole``; careless models send the file or another format."""
    return Problem(
        slots=slots or {},
        input=broken.rstrip("\n"),
        answer=unified_diff(broken, whole, file),
        outdated=(
            NearMiss(whole, "the file, not a diff"),
            NearMiss(normal_diff(broken, whole), "a diff, but not a unified one"),
        ),
        slips=(NearMiss(unified_diff(whole, broken, file), "the diff is turned around"),),
        checks=checks,
    )
