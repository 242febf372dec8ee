"""From conf/curation, or a user's file, and overrides to one frozen recipe; every error at once, by dotted key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter

from env.refusal import Refusal, choices_hint
from eval.curation.recipe import Recipe
from eval.curation.running import Planned
from eval.pipeline.verifier import VerifierSettings
from runner.runs.config import compose_experiment, composed_in, faults_by, groups, key_hint
from runner.runs.locations import RECIPES, expanded
from runner.runs.plain_config import flatten

# What every recipe begins with.
DEFAULT = "default"
# Sections whose keys are the user's own.
_OPEN = ("sources", "balance.weights", "balance.shares")
NO_VERIFIER = "none"


def recipe_names() -> list[str]:
    """Return the recipes that come with the project."""
    return sorted(file.stem for file in RECIPES.glob("*.yaml") if file.stem != DEFAULT)


def compose_recipe(name: str, overrides: Sequence[str]) -> tuple[Recipe, dict[str, Any]]:
    """Return the frozen recipe and the plain dictionary it came from.

    ``name`` is one of the project's, or a YAML file whose keys come over the defaults.

    Raises:
        Refusal: there is no such recipe, or naming everything that is wrong with its keys and the overrides.
    """
    config, folder = _named(name)
    problems = [wrong for text in overrides if (wrong := _overridden(config, text))]
    problems += faults_by(TypeAdapter(Recipe).validate_python, config)
    if problems:
        sentence = "; ".join(problem.rstrip(".") for problem in problems)
        raise Refusal(
            sentence if sentence.endswith("?") else f"{sentence}.", f"The keys are those of {RECIPES / DEFAULT}.yaml."
        )
    typed = {text.partition("=")[0] for text in overrides}
    _absolute_paths(config, Path.cwd() if "data" in typed else folder)
    recipe: Recipe = TypeAdapter(Recipe).validate_python(config)
    return recipe, config


def plan(name: str, overrides: Sequence[str], out: Path | None) -> Planned:
    """Return a curation ready to run; without ``out`` it goes to ``curated/NAME`` of the working folder."""
    recipe, _ = compose_recipe(name, overrides)
    where = out if out is not None else Path("curated") / Path(name).stem
    return Planned(recipe, verifier_of(recipe), expanded(where).absolute())


def verifier_of(recipe: Recipe) -> VerifierSettings | None:
    """Return the verifier that a recipe names, with the limits of an experiment; None where it executes nothing."""
    name = recipe.execute.verifier
    if name == NO_VERIFIER:
        return None
    known = groups()["verifier"]
    if name not in known:
        raise Refusal(f'execute.verifier: no verifier "{name}".', choices_hint(name, [*known, NO_VERIFIER]))
    return compose_experiment([f"verifier={name}"])[0].verifier


def _named(name: str) -> tuple[dict[str, Any], Path]:
    """Return a recipe's plain config, and the folder that its relative paths start from."""
    if name in recipe_names():
        return composed_in(RECIPES, name), Path.cwd()
    file = expanded(name)
    if file.suffix not in (".yaml", ".yml") or not file.is_file():
        raise Refusal(f'There is no recipe "{name}".', f"{choices_hint(name, recipe_names())} Or name a YAML file.")
    return _merged(composed_in(RECIPES, DEFAULT), _read(file)), file.absolute().parent


def _read(file: Path) -> dict[str, Any]:
    """Return the keys of a user's recipe. Raises Refusal where it is no YAML mapping."""
    try:
        keys = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.MarkedYAMLError as error:
        where = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise Refusal(f"{file}{where}: {error.problem or 'not YAML'}.", "Correct it.") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        raise Refusal(
            f"{file}: cannot be read as YAML.", "Write it as UTF-8 text, as the files of conf/curation."
        ) from None
    if not isinstance(keys, dict):
        raise Refusal(f"{file}: is no mapping of keys.", "Write it as the files of conf/curation.")
    return {str(key): value for key, value in keys.items()}


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in over.items():
        inner = result.get(key)
        result[key] = _merged(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return result


def _overridden(config: dict[str, Any], text: str) -> str:
    """Put one override into the config; return what is wrong with it, "" where nothing is."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        return f'"{text}" is not of the form key=value'
    try:
        plain = yaml.safe_load(value) if value else ""
    except yaml.YAMLError:
        return f"{key}: the value {value} cannot be read"
    if key not in flatten(config) and not key.startswith(tuple(f"{name}." for name in _OPEN)):
        return f"{key}: no such key. {key_hint(key, flatten(config))}"
    *sections, last = key.split(".")
    place = config
    for section in sections:
        place = place.setdefault(section, {})
        if not isinstance(place, dict):
            return f"{key}: {section} holds no keys"
    place[last] = plain
    return ""


def _absolute_paths(config: dict[str, Any], folder: Path) -> None:
    """Make the paths of sources and eval files absolute: against ``data``, which is so against ``folder``."""
    data = folder / expanded(str(config["data"]))
    for source in config["sources"].values():
        source["path"] = str(data / expanded(source["path"]))
    files = config["decontaminate"]["files"]
    config["decontaminate"]["files"] = [str(data / expanded(str(file))) for file in files]
