"""One override, KEY=VALUE: how it is typed and stored, and how a value is written as one.

The grammar of values is Hydra's, with two differences. A double-quoted text has the escapes of YAML and JSON, so that
"\\n" is a new line. And a key whose value is text takes any text: a path with '=', ',', '#' or '(' needs no quotes.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.runs.locations import expanded

PROFILE = "profile"
# Where a run keeps its copy of an own profile, as its overrides name it: both go wherever the run goes.
KEPT_PROFILE = f"./{PROFILE}/"
_QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""")
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", re.DOTALL)
# The adapter's settings were once a file for each way to hold the base.
_QUANTIZATIONS = {"lora": "none", "qlora": "nf4", "qlora_mlx": "q4"}
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\"}


@dataclass(frozen=True, slots=True)
class Override:
    """A key and the text of its value."""

    key: str
    value: str

    @property
    def text(self) -> str:
        """The override as it is typed."""
        return f"{self.key}={self.value}"


def split(text: str) -> Override:
    """Return an override's key and value, divided at its first '='."""
    key, _, value = text.partition("=")
    return Override(key, value)


def merge_overrides(old: Sequence[str], new: Sequence[str]) -> list[str]:
    """Return ``old`` with ``new`` on top: a later override of the same key replaces the earlier one in place."""
    merged = {split(text).key: text for text in old}
    merged.update({split(text).key: text for text in new})
    return list(merged.values())


def present_spelling(group: str, choice: str) -> tuple[str, ...]:
    """Return how to write what an earlier version chose by ``group=choice``; () where it never did."""
    architecture = choice.removeprefix("tiny_random_")
    if group == "model" and architecture != choice:
        return ("model=tiny_random", f"model.path=tiny_random:{architecture}")
    return (f"model.quantization={_QUANTIZATIONS[choice]}",) if group == "gate/c" and choice in _QUANTIZATIONS else ()


def in_present_spelling(overrides: Sequence[str]) -> list[str]:
    """Return overrides of an earlier version as this one writes them; a key that they name keeps its value."""
    read = [split(text) for text in overrides]
    named = {override.key for override in read}
    found: list[str] = []
    for override in read:
        present = present_spelling(override.key, plain_text(override.value) or "")
        kept = [text for text in present if (key := split(text).key) == override.key or key not in named]
        found += kept if present else [override.text]
    return found


def plain_text(value: str) -> str | None:
    """Return what a value means where its key takes text: quotes around the whole are dropped; None for null."""
    if value == "null":
        return None
    quoted = _QUOTED.fullmatch(value)
    if quoted is None:
        return value
    return _unescaped(value[1:-1]) if value.startswith('"') else value[1:-1].replace("\\'", "'")


def grammar_text(value: str) -> str:
    """Return a value as Hydra's grammar reads it: the escapes inside double quotes are carried out."""

    def rewritten(found: re.Match[str]) -> str:
        return found[0] if found[0].startswith("'") else _as_hydra_quotes(_unescaped(found[0][1:-1]))

    return _QUOTED.sub(rewritten, value)


def override_text(value: Any) -> str:
    """Return a configuration value as an override writes it; text is quoted, so that it stays text."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ",".join(override_text(item) for item in value) + "]"
    if isinstance(value, str):
        return "".join(sign if sign.isprintable() else _escape(sign) for sign in json.dumps(value, ensure_ascii=False))
    return str(value)


def own_profile(overrides: Sequence[str]) -> Path | None:
    """Return the file of ``profile=FILE``, absolute; None where the profile is one of conf/ or none is named."""
    value = next((plain_text(o.value) for o in map(split, reversed(overrides)) if o.key == PROFILE), None)
    return expanded(value).absolute() if value and is_profile_file(value) else None


def profile_override(file: Path) -> str:
    """Return the override that names a file of the user's as the profile."""
    return f"{PROFILE}={override_text(str(expanded(file).absolute()))}"


def is_profile_file(value: str) -> bool:
    """Whether a profile is named as a file, not as a choice of conf/."""
    return "/" in value or value.endswith((".yaml", ".yml"))


def kept_in(folder: Path, overrides: Sequence[str]) -> list[str]:
    """Return a run's stored overrides with the profile that it keeps named by its place now."""
    return [profile_override(folder / place) if (place := _kept_place(text)) else text for text in overrides]


def as_kept(overrides: Sequence[str]) -> list[str]:
    """Return overrides as a run stores them: its own copy of a profile is named in place of the file."""
    profile = own_profile(overrides)
    if profile is None:
        return list(overrides)
    kept = f"{PROFILE}={override_text(KEPT_PROFILE + profile.name)}"
    return [kept if split(text).key == PROFILE else text for text in overrides]


def _kept_place(text: str) -> str:
    """Return where in a run folder an override names a profile; "" where it does not."""
    override = split(text)
    value = plain_text(override.value) or ""
    return value if override.key == PROFILE and value.startswith(KEPT_PROFILE) else ""


def _unescaped(text: str) -> str:
    def carried_out(found: re.Match[str]) -> str:
        code = found[1]
        if len(code) == 1:
            return _ESCAPED.get(code, found[0])
        return chr(number) if (number := int(code[1:], 16)) <= sys.maxunicode else found[0]

    return _ESCAPE.sub(carried_out, text)


def _as_hydra_quotes(text: str) -> str:
    # Hydra reads a backslash as itself, except before a quote
    escaped = re.sub(r'(\\*)("|$)', lambda found: found[1] * 2 + ('\\"' if found[2] else ""), text)
    return f'"{escaped}"'


def _escape(sign: str) -> str:
    return f"\\u{ord(sign):04x}" if ord(sign) < 0x10000 else f"\\U{ord(sign):08x}"
