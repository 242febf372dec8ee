"""Continuing despite a failed check: each that stops Gate A has a key of gate.a.waivers, and its fix tells it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from env.checks import Check

# Without these nothing can be done, whatever the reason to go on: no folder, no model to load, no Lua that judges.
NOT_WAIVABLE = frozenset({"results folder", "model", "model files", "lua"})
# Checks of one kind, by their first word: "package torch" is waived by gate.a.waivers.packages.
_KINDS = {"package": "packages"}


def waiver_key(name: str) -> str:
    """Return the key of gate.a.waivers for the check called ``name``: "model memory" has "model_memory"."""
    first, _, rest = name.partition(" ")
    return _KINDS[first] if rest and first in _KINDS else name.replace(" ", "_")


def waive(checks: Sequence[Check], waivers: Mapping[str, str | None]) -> list[Check]:
    """Return the checks: failures that the user waived with the reason, others that stop with how to waive them."""
    return [_waived(check, waivers) for check in checks]


def _waived(check: Check, waivers: Mapping[str, str | None]) -> Check:
    key = waiver_key(check.name)
    if check.ok or check.name in NOT_WAIVABLE or key not in waivers:
        return check
    if reason := waivers[key]:
        return replace(check, waived=reason)
    if not check.blocks or f"gate.a.waivers.{key}=" in check.fix:
        return check
    return replace(check, fix=f"{check.fix} Or waive: gate.a.waivers.{key}='<reason>'.".lstrip())
