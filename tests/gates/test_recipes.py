"""Recipes of Gate C: what each depends on, and that no recipe's keys reach another's stored results."""

from __future__ import annotations

from importlib import import_module
from typing import get_type_hints

import pytest

from env.files import digest
from gates import GATES
from gates.c_training.recipes import RECIPES
from gates.settings import TrainingSection
from runner.runs.config import compose_experiment, groups

# Of gate.c of these profiles, as the last version computed them that had no recipes.
BEFORE_RECIPES = {
    "tiny": "00e2cd82b2e1a2a89835b0f9dc6439d49670253bfe596eecf2ccee318f5f16af",
    "smoke": "827c9d96a96e1e1bf07b9e9d51a0a488951dc079627921701ae76718bbdb2693",
    "smollm2_135m": "400ee0faad7ff2149f2cc08cfb87346d69ddae014a1211446a0b5df99c35a444",
}


# Keys of gate.c that came later and change digests by themselves, as CHANGELOG.md says where they came.
LATER = {"packing"}


@pytest.mark.parametrize("profile", BEFORE_RECIPES)
def test_what_was_trained_before_there_were_recipes_has_the_digest_of_supervised_fine_tuning(profile: str) -> None:
    config = compose_experiment([f"profile={profile}"])[1]
    mine = GATES["c"].own_keys(config)
    assert mine.keys() == {"lora", "train", "watch"}
    then = {name: {key: value for key, value in part.items() if key not in LATER} for name, part in mine.items()}
    assert digest(then) == BEFORE_RECIPES[profile]
    assert GATES["c"].uses_under(config) == ("seed", "model", "backend", "dataset", "prompt")


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_named_in_the_settings_and_has_a_module_that_runs(name: str) -> None:
    recipe = RECIPES[name]
    assert callable(import_module(recipe.module).run)
    assert name in get_type_hints(TrainingSection)["recipe"].__args__
    assert recipe.section in ("", *TrainingSection.model_fields)


def test_every_choice_of_gate_c_is_of_one_recipe() -> None:
    chosen = {choice: compose_experiment([f"gate/c={choice}"])[1]["gate"]["c"] for choice in groups()["gate/c"]}
    assert {section["recipe"] for section in chosen.values()} == set(RECIPES)
