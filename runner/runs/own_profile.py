"""A profile that is a file of the user's own, outside conf/, and the line that puts a file's keys at the top."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from env.files import refuse_device_or_pipe
from env.refusal import Refusal
from runner.runs.locations import CONF
from runner.runs.overrides import PROFILE, Override, plain_text, present_spelling, split
from runner.runs.plain_config import leaves

PACKAGE_LINE = "# @package _global_"
_STARTER = "`python -m runner config --starter FILE` writes a profile to begin with."
_PACKAGE = re.compile(r"^\s*#\s*@package\s+_global_\s*$", re.MULTILINE)
# Groups that are nothing but a choice of other keys: without the line all of theirs go astray.
_GLOBAL_GROUPS = (PROFILE, "size")


def read_own_profile(path: Path) -> dict[str, Any]:
    """Return what a profile's file says, with its own name as ``profile`` where it gives none.

    Raises:
        Refusal: it cannot be read, is not YAML, or lacks the line that puts its keys at the top.
    """
    refuse_device_or_pipe(path)
    try:
        text = path.read_text(encoding="utf-8")
        said = OmegaConf.to_container(OmegaConf.create(text), resolve=False)
    except FileNotFoundError:
        raise Refusal(
            f"{path} is not a file.", "Name a profile's file, or write one: `config --starter FILE`."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise Refusal(f"{path} cannot be read: {getattr(error, 'strerror', None) or 'not UTF-8 text'}.") from None
    except (yaml.YAMLError, OmegaConfBaseException) as error:
        mark = getattr(error, "problem_mark", None)
        where, problem = f", line {mark.line + 1}" if mark else "", getattr(error, "problem", None) or "not YAML"
        raise Refusal(
            f"{path}{where}: {problem}.", "Correct it; `config --starter FILE` writes one to begin with."
        ) from None
    if not isinstance(said, dict):
        raise Refusal(
            f"{path} holds no keys.", "Write KEY: VALUE lines; `config --starter FILE` writes one to begin with."
        )
    if not _PACKAGE.search(text):
        raise Refusal(f"{path} lacks the line `{PACKAGE_LINE}`.", f"{_why(path.name, PROFILE)}.")
    named = _in_present_spelling({str(key): value for key, value in said.items()})
    return {**named, PROFILE: named.get(PROFILE) or path.stem}


def yielding(profile: dict[str, Any], typed: Mapping[str, str]) -> dict[str, Any]:
    """Return a profile without the keys that the choices typed beside it say: ``model=tiny`` names its path itself."""
    said = {key for group, choice in typed.items() if group not in _GLOBAL_GROUPS for key in _said_by(group, choice)}
    return _without(profile, said)


def left_by(profile: Path, overrides: Sequence[str]) -> list[str]:
    """Return the overrides of another run on which a profile says nothing: neither the key, nor its group's choice."""
    said = read_own_profile(profile)
    entries = [entry for entry in said.pop("defaults", []) if isinstance(entry, dict)]
    chosen = [str(group).removeprefix("override /") for entry in entries for group in entry]
    sections = tuple(f"{group.replace('/', '.')}." for group in chosen)
    keys = {text: split(text).key for text in overrides}
    return [
        text
        for text, key in keys.items()
        if key not in chosen and not key.startswith(sections) and key not in leaves(said)
    ]


def _said_by(group: str, choice: str) -> Collection[str]:
    """Return the dotted keys that a choice of conf/ gives a value; () where there is no such choice."""
    path = CONF / group / f"{choice}.yaml"
    if not path.is_file():
        return ()
    text = path.read_text(encoding="utf-8")
    said = yaml.safe_load(text) or {}
    for section in [] if _PACKAGE.search(text) else reversed(group.split("/")):
        said = {section: said}
    return leaves(said)


def _without(section: dict[str, Any], keys: Collection[str], place: str = "") -> dict[str, Any]:
    return {
        key: _without(value, keys, f"{place}{key}.") if isinstance(value, dict) else value
        for key, value in section.items()
        if f"{place}{key}" not in keys
    }


def _in_present_spelling(said: dict[str, Any]) -> dict[str, Any]:
    """Return a profile of an earlier version with the choices that are gone as this one writes them."""
    defaults, sections = [], dict(said)
    for entry in said.get("defaults", []):
        group, choice = next(iter(entry.items())) if isinstance(entry, dict) and len(entry) == 1 else ("", "")
        present = present_spelling(str(group).removeprefix("override /"), str(choice))
        for override in map(split, present):
            section, _, key = override.key.partition(".")
            if key:
                sections[section] = {key: override.value, **sections.get(section, {})}
            else:
                defaults.append({group: override.value})
        if not present:
            defaults.append(entry)
    return {**sections, "defaults": defaults} if "defaults" in said else sections


def missing_package_line(choice: Override) -> str:
    """Return what is wrong with a choice of conf/ whose keys go astray for want of the line; "" where nothing is."""
    group, path = choice.key, CONF / choice.key / f"{plain_text(choice.value)}.yaml"
    if not path.is_file() or _PACKAGE.search(text := path.read_text(encoding="utf-8")):
        return ""
    said = yaml.safe_load(text)
    keys = set(said) - {"defaults"} if isinstance(said, dict) else set()
    if not keys or (group not in _GLOBAL_GROUPS and group.split("/")[0] not in keys):
        return ""
    return f"conf/{group}/{path.name} lacks the line `{PACKAGE_LINE}`. {_why(path.name, group)}"


def _why(name: str, group: str) -> str:
    section = group.replace("/", ".")
    return f"Make it the first line of {name}: without it, every key there is read as a key of `{section}`"
