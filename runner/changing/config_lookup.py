"""Read a configuration: all of it, one key, or only what differs from conf/'s defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from env.refusal import Refusal
from runner.changing.creating import propose_run
from runner.runs.config import compose_experiment, key_hint, read_config
from runner.runs.folder import find_run
from runner.runs.plain_config import dump_config, flatten, leaves


def shown_config(results: Path, run: str | None, overrides: list[str], from_defaults: bool = False) -> dict[str, Any]:
    """Return a run's config as it is; with overrides, or without any run, that of the run which ``new`` would make."""
    folder = None if from_defaults else find_run(results, run)
    if folder is None or overrides:
        return propose_run(results, overrides, run, from_defaults).config
    return read_config(folder / "config.yaml")[1]


def config_part(config: dict[str, Any], key: str | None) -> Any:
    """Return the value at a dotted key. Raises Refusal with the nearest match when there is none."""
    if key is None:
        return config
    flat = flatten(config)
    if key not in flat:
        raise Refusal(f"{key}: no such key.", key_hint(key, flat))
    return flat[key]


def config_difference(config: dict[str, Any]) -> dict[str, str]:
    """Return 'default -> value' per key that differs from what conf/ gives without any override."""
    defaults, present = leaves(compose_experiment([])[1]), leaves(config)
    return {
        key: f"{defaults.get(key)!r} -> {present.get(key)!r}"
        for key in sorted({*defaults, *present})
        if defaults.get(key) != present.get(key)
    }


def render_difference(difference: dict[str, str]) -> str:
    """Return one 'key: default -> value' line per difference."""
    lines = [f"{key}: {change}" for key, change in difference.items()]
    return "\n".join(lines) or "nothing differs from the defaults"


def render_config(shown: Any) -> str:
    """Return a config or one of its values as YAML; a single value without its key."""
    return dump_config(shown).rstrip() if isinstance(shown, dict) else str(shown)
