"""A configuration as plain data: read from a run's file, written, and flattened to dotted keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from env.refusal import Refusal

# Names of folders that say nothing without the folder above.
_GENERIC = frozenset({"model", "base", "final"})
# What a key that is not there differs from, null too.
_ABSENT = object()


def flatten(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return dotted keys of all leaves and of all sections, so that both can be overridden and suggested."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        dotted = f"{prefix}{key}"
        flat[dotted] = value
        if isinstance(value, dict):
            flat.update(flatten(value, f"{dotted}."))
    return flat


def leaves(config: dict[str, Any]) -> dict[str, Any]:
    """Return dotted keys of the leaves alone."""
    return {key: value for key, value in flatten(config).items() if not isinstance(value, dict)}


def subject_of(config: dict[str, Any]) -> str:
    """Return 'base-2m · luanti_mini' of a resolved config, of whatever version; '' where it lacks them."""
    try:
        model, name = str(config["model"]["path"]), str(config["dataset"].get("name", ""))
    except (KeyError, TypeError, AttributeError):
        return ""
    shown = "/".join(Path(model).parts[-2 if Path(model).name in _GENERIC else -1 :]) or model
    return " · ".join(part for part in (shown, name) if part)


def differing(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Return the dotted keys whose values differ between two configurations."""
    old, new = leaves(before), leaves(after)
    return sorted(key for key in {*old, *new} if old.get(key, _ABSENT) != new.get(key, _ABSENT))


def read_plain(path: Path) -> dict[str, Any]:
    """Return a run's config.yaml as plain data, of whatever version. Raises Refusal when it is missing or not YAML."""
    try:
        plain = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Refusal(
            f"{path} is missing: this is not a complete run folder.",
            "Restore it: the newest config.N.yaml beside it is a copy; or start a new run.",
        ) from None
    except OSError as error:
        raise Refusal(f"{path} cannot be read: {error.strerror}.", "Restore it or start a new run.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise Refusal(
            f"{path}{line}: not YAML.",
            "It was edited by hand; restore it (the newest config.N.yaml beside it is a copy) or start a new run.",
        ) from None
    if not isinstance(plain, dict):
        raise Refusal(f"{path}: not a configuration.", "Restore it or start a new run.")
    return plain


def dump_config(config: dict[str, Any]) -> str:
    """Return a resolved config as YAML, keys in conf/'s order."""
    return yaml.safe_dump(config, sort_keys=False, allow_unicode=True, width=110)
