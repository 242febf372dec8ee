"""What a refusal says about the words that were possible."""

from __future__ import annotations

from env.refusal import LISTED, choices_hint


def test_a_near_choice_is_suggested_and_few_are_all_listed() -> None:
    assert choices_hint("tset", ["test", "dev"]) == 'Did you mean "test"?'
    assert choices_hint("x", ["b", "a"]) == "Choices: a, b."
    assert choices_hint("x", []) == "There are no choices."


def test_of_many_choices_the_nearest_are_named() -> None:
    many = [f"shops.coding.task_{number}" for number in range(LISTED + 1)] + ["pets.bugfix.leash"]
    hint = choices_hint("leash", many)
    assert hint.startswith(f"The nearest of {LISTED + 2} choices: pets.bugfix.leash, ")
    assert hint.count(",") == 4
