"""Checks ask what the prompt asks, not what one reference happened to answer."""

from __future__ import annotations

import pytest

from eval.domains.luanti.items.demands import FieldDemand, NameDemand, PromptText, field_demands, name_demand
from eval.domains.luanti.items.derived_checks import derive_checks
from eval.domains.luanti.items.structure import LuaTable, registrations

NODE = "core.register_node('mymod:lamp', {description = 'A lamp', tiles = {'lamp.png'}, light_source = 9})"


def demands(instruction: str, source: str = "", family: str = "scaffold", code: str = NODE) -> dict[str, FieldDemand]:
    found = field_demands(PromptText(instruction, source, family), registrations(code)[0])
    return {".".join(demand.path): demand for demand in found}


def name(instruction: str, source: str = "", family: str = "scaffold") -> NameDemand:
    return name_demand(PromptText(instruction, source, family), registrations(NODE)[0])


def test_a_name_stated_without_prefix_is_demanded_without_prefix() -> None:
    assert name("Register a node 'lamp'") == NameDemand("local", "lamp")
    assert name("Register a node 'mymod:lamp'") == NameDemand("exact", "mymod:lamp")


def test_a_name_that_prompt_and_reference_share_is_demanded_without_quotes_too() -> None:
    assert name("Register a lamp") == name("A Lamp, please") == NameDemand("local", "lamp")
    assert name("Register mymod:lamp.") == NameDemand("exact", "mymod:lamp")
    red = registrations("core.register_node('mymod:red_lamp', {})")[0]
    for text in ("Register a red lamp", "Register red_lamp"):
        assert name_demand(PromptText(text, "", "scaffold"), red) == NameDemand("local", "red_lamp")


def test_a_name_the_prompt_leaves_open_is_not_demanded() -> None:
    for text in ("Register something that glows", "Register a lampshade", "Texture: lamp.png", "Use othermod:lamp"):
        assert name(text).mode == "any"
    node = registrations("core.register_node('mymod:node', {})")[0]
    assert name_demand(PromptText("Register a node", "", "scaffold"), node).mode == "any"
    assert name("Write code for this API", "core.register_node('mymod:lamp', def)", "doc").mode == "any"


def test_the_prompts_name_counts_where_the_reference_has_another() -> None:
    assert name("Register a node called 'torch'") == NameDemand("local", "torch")


def test_a_repair_keeps_the_name_in_the_code() -> None:
    assert name("Fix it", "core.register_node('mymod:lamp' {", "repair") == NameDemand("exact", "mymod:lamp")


def test_a_stated_value_is_demanded_and_not_the_references() -> None:
    assert demands("A node with light level 3")["light_source"].wanted == 3
    assert demands("A node with light_source = 14")["light_source"].wanted == 14
    assert demands("A node with description 'A torch'")["description"].wanted == "A torch"


@pytest.mark.parametrize(
    "text", ["light_source: integer from 0-14", "light_source 0 to 14", "light_source: 0-14", "light_source"]
)
def test_a_range_in_the_prompt_is_not_a_value(text: str) -> None:
    demand = demands(f"Use {text}")["light_source"]
    assert (demand.wanted, demand.type, demand.low, demand.high) == (None, "number", 1.0, 14.0)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("A lamp showing lamp.png", {"tiles": LuaTable(((1, "lamp.png"),))}),
        ("A lamp. Texture: lamp.png.", {"tiles": LuaTable(((1, "lamp.png"),))}),
        ("Not biglamp.png or lamp.pngs", {"tiles": None}),
        ("Its description: A lamp", {"description": "A lamp"}),
        ("It glows at 9", {"light_source": 9}),
        ("It glows at 9 or so, from 9-12", {"light_source": 9}),
        ("It glows from 0-9", {}),
        ("Register 9 nodes", {}),
        ("version 1.9", {}),
    ],
)
def test_values_without_quotes_are_demanded_where_they_can_be_nothing_else(
    text: str, wanted: dict[str, object]
) -> None:
    found = {field: demand.wanted for field, demand in demands(text).items()}
    assert found == {"tiles": None} | wanted


def test_a_number_that_two_fields_have_is_demanded_of_the_one_it_stands_beside() -> None:
    code = "core.register_node('a:b', {tiles = {'x'}, light_source = 3, groups = {snappy = 3}})"
    assert demands("Groups: snappy 3", code=code)["groups.snappy"].wanted == 3
    assert "light_source" not in demands("Groups: snappy 3", code=code)


def test_words_of_every_day_are_no_values() -> None:
    code = (
        "core.register_node('a:b', {tiles = {'x'}, paramtype = 'light', drawtype = 'plantlike', description = 'Fern'})"
    )
    found = demands("A plantlike fern that gives light", code=code)
    assert {field: demand.wanted for field, demand in found.items()} == {"drawtype": "plantlike", "tiles": None}


def test_a_quoted_value_may_hold_the_quote_character() -> None:
    code = "core.register_node('a:b', {description = \"Don't\"})"
    assert demands("A node with description 'Don't' please", code=code)["description"].wanted == "Don't"


def test_what_the_prompt_does_not_name_is_free_but_the_thing_must_be_visible() -> None:
    assert list(demands("Register any node")) == ["tiles"]
    assert demands("Register any node")["tiles"].type == "table"


def test_a_list_of_quoted_texts_is_demanded_whole() -> None:
    assert demands("A node showing 'lamp.png'")["tiles"].wanted == LuaTable(((1, "lamp.png"),))


def test_documentation_demands_its_fields_unless_the_instruction_picks_one() -> None:
    documentation = "- light_source: integer\n- tiles: array\n- description: text"
    assert set(demands("Write code to register a node", documentation, "doc")) == {
        "description",
        "tiles",
        "light_source",
    }
    assert set(demands("Use the light_source property", documentation, "doc")) == {"light_source", "tiles"}


def test_an_example_value_in_documentation_is_not_demanded() -> None:
    demand = demands("Write code to register a node", "light_source = 9, description = 'A lamp'", "doc")
    assert demand["light_source"].wanted is None
    assert demand["description"].wanted is None


def test_a_repair_keeps_values_and_may_change_what_it_must() -> None:
    source = "core.register_node('mymod:lamp', {description = 'A lamp', tiles = {'lamp.png'}, light_source = 99})"
    found = demands("Fix the light_source field", source, "repair")
    assert found["description"].wanted == "A lamp"
    assert found["tiles"].wanted == LuaTable(((1, "lamp.png"),))
    assert found["light_source"].wanted is None


def test_inner_fields_are_demanded_through_their_table() -> None:
    code = "core.register_tool('a:b', {tool_capabilities = {full_punch_interval = 1.2, max_drop_level = 2}})"
    found = demands("A tool with these properties", "full_punch_interval = <number>", "doc", code)
    assert found["tool_capabilities"].type == "table"
    assert found["tool_capabilities.full_punch_interval"].type == "number"
    assert "tool_capabilities.max_drop_level" not in found


def test_references_of_one_prompt_give_the_same_checks() -> None:
    prompt = PromptText("Register a node called 'lamp' with light level 9", "", "scaffold")
    other = "core.register_node('other:lamp', {tiles = {'x.png', 'y.png'}, light_source = 2, groups = {oddly = 1}})"
    assert derive_checks(prompt, registrations(NODE)) == derive_checks(prompt, registrations(other))


def test_check_names_are_unique_also_for_several_registrations() -> None:
    prompt = PromptText("Register two nodes with a description and a tool, and greet who joins", "", "scaffold")
    code = (
        "core.register_node('a:b', {description='x', tiles={'x'}})\ncore.register_node('a:c', {description='y', tiles={'x'}})\n"
        "core.register_on_joinplayer(print)\n"
    )
    names = [check.name for check in derive_checks(prompt, registrations(code))]
    assert len(names) == len(set(names))
    assert {"registers 2 node", "registers 1 on_joinplayer", "node 2 description is a string"} <= set(names)


def test_one_thing_requested_means_one_item_of_any_kind() -> None:
    names = {check.name for check in derive_checks(PromptText("Register a node", "", "scaffold"), registrations(NODE))}
    assert {"registers 1 node", "registers no tool", "registers no craftitem", "registers no entity"} <= names
    recipe = registrations('core.register_craft({output = "a:b"})')
    names = {check.name for check in derive_checks(PromptText("Register a recipe", "", "scaffold"), recipe)}
    assert names == {"registers 1 craft"}


def test_a_reference_that_registers_nothing_gives_no_checks() -> None:
    assert derive_checks(PromptText("Print x", "", "scaffold"), registrations("print('x')")) == ()
