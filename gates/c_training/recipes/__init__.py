"""How Gate C comes to its adapters: the table of recipes, as plain data. Listing it imports no recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

# Of gate.c: which recipe. What its results depend on are its own keys, which no other recipe has.
CHOICE = "recipe"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One way to adapters.

    Attributes:
        name: the value of gate.c.recipe.
        title: for reports.
        module: where ``run(context) -> GateReport`` is, as text.
        section: the key of gate.c that holds its own keys, null under every other recipe; "" where it has none.
        shared: configuration sections that its results depend on besides those that every recipe depends on.
        shared_if: further ones, each by the key of its own section, as "weights.judge", that is not 0 where it counts.
    """

    name: str
    title: str
    module: str
    section: str = ""
    shared: tuple[str, ...] = ()
    shared_if: Mapping[str, str] = field(default_factory=dict)


RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="sft",
            title="supervised fine-tuning on the training rows",
            module="gates.c_training.recipes.sft",
        ),
        Recipe(
            name="rft",
            title="rejection sampling: training on its own answers that passed",
            module="gates.c_training.recipes.rft",
            section="rft",
            shared=("verifier", "sampling"),
            shared_if={"weights.judge": "judge"},
        ),
    )
}


def recipe_of(config: Mapping[str, Any]) -> Recipe:
    """Return the recipe of a plain configuration."""
    return RECIPES[config["gate"]["c"][CHOICE]]


def uses(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the shared sections that the recipe's results depend on besides the gate's own."""
    recipe = recipe_of(config)
    mine = config["gate"]["c"].get(recipe.section) or {}
    counting = [section for key, section in recipe.shared_if.items() if reduce(_inside, key.split("."), mine)]
    return (*recipe.shared, *counting)


def _inside(section: Mapping[str, Any], key: str) -> Any:
    return section.get(key) or {}


def own_keys(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of gate.c that the recipe's results depend on.

    No key of another recipe is in it, so that a new recipe, or a new key of one, makes no result of another stale.
    """
    mine = recipe_of(config).section
    others = {recipe.section for recipe in RECIPES.values()} - {mine}
    return {key: value for key, value in config["gate"]["c"].items() if key != CHOICE and key not in others}
