"""Read a configuration: all of it, one key, or only what differs from conf/'s defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from env.refusal import Refusal
from runner.changing.edits import overridden
from runner.runs.config import compose_experiment, dump_config, flatten, key_hint, leaves, read_config, read_plain
from runner.runs.folder import Run, find_run


def present_config(results: Path, name: str | None, overrides: list[str]) -> dict[str, Any]:
    """Return the current run's config with ``overrides`` on top, or conf/'s own where there is no run."""
    folder = find_run(results, name)
    if folder is None:
        return compose_experiment(overrides)[1]
    run = Run.open(folder)
    if overrides:
        return overridden(run, read_plain(run.file("config.yaml")), overrides)[1]
    return read_config(run.file("config.yaml"))[1]


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
