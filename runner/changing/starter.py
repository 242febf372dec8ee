"""A profile to begin with: the settings of a run written as a file to edit, the keys that people change explained."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from env.files import write_atomic
from env.installed.invocation import as_started
from env.refusal import Refusal
from runner.changing.creating import propose_run
from runner.runs.config import chosen_groups, compose_experiment, groups
from runner.runs.overrides import PROFILE, override_text, split
from runner.runs.own_profile import PACKAGE_LINE
from runner.runs.plain_config import leaves

# Written where they have a value, with what they mean; every other key only where it differs from the groups' defaults.
EXPLAINED = {
    "dataset.domain": "what your files are about: the domain whose verifiers judge the programs",
    "prompt.system": "said before every prompt; rows and eval items with system turns of their own may keep them",
    "sampling.max_new_tokens": "longest answer; Gate B warns when more than a few were cut",
    "sampling.samples_dev": "completions per dev task",
    "sampling.samples_test": "completions per test task; more tasks help more than more samples",
    "rule.margin_pp": "the gain worth acting on, in percentage points of pass@k",
    "gate.c.lora.r": "rank of the adapter",
    "gate.c.lora.alpha": "its weight is alpha / r",
    "gate.c.lora.target_modules": "matched exactly once in every layer, or refused",
    "gate.c.lora.layers": "[] is all of them; negative numbers count from the last",
    "gate.c.train.epochs": "passes over the training rows; 0 where max_steps says how long",
    "gate.c.train.max_steps": "0 where epochs says how long",
    "gate.c.train.batch_size": "rows computed at a time",
    "gate.c.train.grad_accum": "batches per step",
    "gate.c.train.learning_rate": "1e-4 to 2e-4 for most models of billions of parameters",
    "gate.c.train.checkpoint_every": "steps between checkpoints; Gate D measures each of them",
    "gate.c.train.max_length": "tokens of the longest row; longer ones are dropped, and counted",
}
# What stands for a value that only the user knows.
_PLACEHOLDERS = {
    ("model", "local"): {"model.path": "/path/to/your/model"},
    ("model", "tiny_random"): {"model.path": "tiny_random:llama"},
    ("dataset", "jsonl"): {"dataset.eval": "/path/to/eval.jsonl", "dataset.train": "/path/to/train.jsonl"},
    ("dataset", "tasks"): {
        "dataset.eval": "/path/to/tasks.yaml",
        "dataset.train": "/path/to/train.jsonl",
        "dataset.domain": "luanti",
    },
}


def write_starter(
    path: Path, results: Path, overrides: Sequence[str], like: str | None, from_defaults: bool = False
) -> Path:
    """Write the settings of the run that ``new`` would make as a profile of the user's own; return its whole path.

    Raises:
        Refusal: an override is bad, or there is such a file already.
    """
    if path.exists():
        raise Refusal(f"{path} exists already.", "Name another file, or remove it.")
    given = [*_placeholders(overrides), *(text for text in overrides if split(text).key != "size")]
    composed_from = [t for t in propose_run(results, given, like, from_defaults).overrides if split(t).key != "size"]
    write_atomic(path, as_started(starter(path.name, composed_from)))
    return path.absolute()


def starter(file_name: str, overrides: Sequence[str]) -> str:
    """Return the text of a profile that composes to what ``overrides`` compose to, under a name of its own."""
    name = Path(file_name).stem
    chosen = {group: choice for group, choice in chosen_groups(overrides).items() if group not in (PROFILE, "size")}
    wanted = leaves(compose_experiment(overrides)[1])
    words = [f"{group}={choice}" for group, choice in chosen.items()]
    fixed = {key: value for key, value in wanted.items() if key in _needed(chosen)}
    base = leaves(compose_experiment([*words, *(f"{key}={override_text(value)}" for key, value in fixed.items())])[1])
    said = {
        key: value
        for key, value in wanted.items()
        if key != PROFILE and ((key in EXPLAINED and value is not None) or key in fixed or value != base.get(key))
    }
    return "\n".join([*_head(name, file_name), *_defaults(chosen), f"{PROFILE}: {name}", *_keys(said), ""])


def _placeholders(overrides: Sequence[str]) -> list[str]:
    typed = {split(text).key: split(text).value for text in overrides}
    found = (values for (group, choice), values in _PLACEHOLDERS.items() if typed.get(group) == choice)
    return [f"{key}={value}" for values in found for key, value in values.items() if key not in typed]


def _needed(chosen: Mapping[str, str]) -> set[str]:
    """Return the keys without which the choices do not compose, and the seed, which others follow."""
    return {"seed", *(key for choice, values in _PLACEHOLDERS.items() if choice in chosen.items() for key in values)}


def _head(name: str, file_name: str) -> list[str]:
    file = shlex.quote(file_name)
    return [
        PACKAGE_LINE,
        f"# {name}: what it is for: which model, which data, which machine.",
        "# Price: what it costs: hours, memory, download.",
        "#",
        f"#   python -m runner doctor --config {file}    does this machine have what it needs?",
        f"#   python -m runner new --config {file}       a run with it; KEY=VALUE behind it wins over this file",
        "#   python -m runner config                   every key there is: any of them may be used here",
        "#",
        "# The first line belongs to it: without it these keys would be read as keys of `profile`.",
    ]


def _defaults(chosen: Mapping[str, str]) -> list[str]:
    known = groups()
    lines = [
        f"  - override /{group}: {choice}" + (f"   # or {others}" if (others := _others(known[group], choice)) else "")
        for group, choice in sorted(chosen.items())
        if len(known[group]) > 1 or choice != "default"
    ]
    return ["defaults:", *lines]


def _others(choices: Sequence[str], chosen: str) -> str:
    return ", ".join(name for name in choices if name != chosen and not name.startswith("tiny_random"))


def _keys(said: Mapping[str, Any]) -> list[str]:
    """Return dotted keys as nested YAML, each explained where there is something to say."""
    lines: list[str] = []
    open_sections: list[str] = []
    for dotted, value in said.items():
        *sections, key = dotted.split(".")
        shared = next((n for n, (a, b) in enumerate(zip(sections, open_sections, strict=False)) if a != b), None)
        shared = min(len(sections), len(open_sections)) if shared is None else shared
        lines += [f"{'  ' * depth}{name}:" for depth, name in enumerate(sections) if depth >= shared]
        open_sections = sections
        comment = f"   # {EXPLAINED[dotted]}" if dotted in EXPLAINED else ""
        lines.append(f"{'  ' * len(sections)}{key}: {_yaml(value)}{comment}")
    return lines


def _yaml(value: Any) -> str:
    """Return a value as YAML on one line."""
    return (
        yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=float("inf")).split("\n...")[0].strip()
    )
