"""Scaffold problems that register recipes, fuels and aliases."""

from __future__ import annotations

from eval.dealing.pools import Draw
from eval.dealing.problem import Kind, Problem
from eval.domains.luanti.mini.lua import field_equals, register_table
from eval.domains.luanti.mini.names import item_name
from eval.domains.luanti.mini.phrases import scaffold_recipes_phrases as phrases
from eval.records import NearMiss, TaskCheck


def shaped(draw: Draw) -> Problem:
    """Two ingredients in a column; old code wrote the item type into every string."""
    top, bottom, output, count = item_name(draw), item_name(draw), item_name(draw), draw.number(2, 999)
    made = f'output = "{output} {count}"'
    return Problem(
        slots={"top": top, "bottom": bottom, "output": output, "count": str(count)},
        answer=register_table("register_craft", made, f'recipe = {{{{"{top}"}}, {{"{bottom}"}}}}'),
        outdated=(
            NearMiss(
                _old(f"output = 'craft \"{output}\" {count}'", f'recipe = {{{{"{top}"}}, {{"{bottom}"}}}}'),
                "an item string of version 0.3",
            ),
            NearMiss(_old(made, f'recipe = {{"{top}", "{bottom}"}}'), "rows are not tables"),
        ),
        slips=(
            NearMiss(
                register_table("register_craft", made, f'recipe = {{{{"{bottom}"}}, {{"{top}"}}}}'), "upside down"
            ),
        ),
        checks=(
            _output(output, count),
            field_equals("recipe", f'craft("{output}")', "recipe", f'{{{{"{top}"}}, {{"{bottom}"}}}}'),
        ),
    )


def shapeless(draw: Draw) -> Problem:
    """Two ingredients in any order; careless code forgets the type."""
    first, second, output, count = item_name(draw), item_name(draw), item_name(draw), draw.number(2, 999)
    kind, made, recipe = 'type = "shapeless"', f'output = "{output} {count}"', f'recipe = {{"{first}", "{second}"}}'
    return Problem(
        slots={"first": first, "second": second, "output": output, "count": str(count)},
        answer=register_table("register_craft", kind, made, recipe),
        outdated=(
            NearMiss(_old(made, recipe), "the type is missing"),
            NearMiss(_old("shapeless = true", made, recipe), "there is no field shapeless"),
        ),
        slips=(
            NearMiss(
                register_table("register_craft", kind, made, f'recipe = {{"{first}"}}'), "an ingredient is missing"
            ),
        ),
        checks=(
            _output(output, count),
            field_equals("type", f'craft("{output}")', "type", '"shapeless"'),
            TaskCheck(
                "ingredients",
                f'local recipe = craft("{output}").recipe\n'
                'expect(type(recipe) == "table" and #recipe == 2, "not two ingredients")\n'
                f'contains(recipe, "{first}", "recipe")\ncontains(recipe, "{second}", "recipe")',
            ),
        ),
    )


def cooking(draw: Draw) -> Problem:
    """A furnace recipe; careless code writes the input as ``input`` or the time as a string."""
    source, output, seconds = item_name(draw), item_name(draw), draw.number(2, 999)
    kind, made = 'type = "cooking"', f'output = "{output}"'
    recipe, time = f'recipe = "{source}"', f"cooktime = {seconds}"
    return Problem(
        slots={"source": source, "output": output, "seconds": str(seconds)},
        answer=register_table("register_craft", kind, made, recipe, time),
        outdated=(
            NearMiss(_old(kind, made, f'input = "{source}"', f"cook_time = {seconds}"), "old field names"),
            NearMiss(_old(kind, made, recipe, f'cooktime = "{seconds}"'), "the time is a string"),
        ),
        slips=(NearMiss(register_table("register_craft", kind, made, recipe), "no time"),),
        checks=(
            field_equals("type", f'craft("{output}")', "type", '"cooking"'),
            field_equals("recipe", f'craft("{output}")', "recipe", f'"{source}"'),
            field_equals("time", f'craft("{output}")', "cooktime", str(seconds)),
        ),
    )


def fuel(draw: Draw) -> Problem:
    """A fuel; careless code calls a function that never existed or spells the field apart."""
    source, seconds = item_name(draw), draw.number(2, 999)
    kind, recipe = 'type = "fuel"', f'recipe = "{source}"'
    return Problem(
        slots={"source": source, "seconds": str(seconds)},
        answer=register_table("register_craft", kind, recipe, f"burntime = {seconds}"),
        outdated=(
            NearMiss(f'minetest.register_fuel("{source}", {seconds})\n', "there is no register_fuel"),
            NearMiss(_old(kind, recipe, f"burn_time = {seconds}"), "there is no field burn_time"),
        ),
        slips=(
            NearMiss(
                register_table("register_craft", kind, recipe, f"burntime = {draw.other_number(seconds)}"),
                "another time",
            ),
        ),
        checks=(
            TaskCheck(
                "fuel",
                'local found = {}\nfor _, entry in ipairs(all("craft")) do\n\tlocal recipe = entry.def\n'
                f'\tif recipe.type == "fuel" and recipe.recipe == "{source}" then found[#found + 1] = recipe end\nend\n'
                'equal(#found, 1, "fuel recipes")\n'
                f'equal(found[1].burntime, {seconds}, "burntime")',
            ),
        ),
    )


def alias(draw: Draw) -> Problem:
    """An alias; careless code swaps the names or passes a table."""
    old, new = item_name(draw), item_name(draw)
    return Problem(
        slots={"old": old, "new": new},
        answer=f'core.register_alias("{old}", "{new}")\n',
        outdated=(
            NearMiss(f'minetest.register_alias("{new}", "{old}")\n', "the names are swapped"),
            NearMiss(f'minetest.alias("{old}", "{new}")\n', "there is no function alias"),
        ),
        slips=(NearMiss(f'core.register_alias("{old}", "{old}")\n', "an alias to itself"),),
        checks=(
            TaskCheck(
                "alias",
                'local entry = all("alias")[1]\nexpect(entry, "no alias was registered")\n'
                f'equal(entry.name, "{old}", "old name")\nequal(entry.def, "{new}", "new name")',
            ),
        ),
    )


def _old(*fields: str) -> str:
    return register_table("register_craft", *fields, api="minetest")


def _output(output: str, count: int) -> TaskCheck:
    return field_equals("output", f'craft("{output}")', "output", f'"{output} {count}"')


KINDS = (
    Kind("scaffold", "shaped", 3, phrases.SHAPED, shaped),
    Kind("scaffold", "shapeless", 3, phrases.SHAPELESS, shapeless),
    Kind("scaffold", "cooking", 3, phrases.COOKING, cooking),
    Kind("scaffold", "fuel", 2, phrases.FUEL, fuel),
    Kind("scaffold", "alias", 1, phrases.ALIAS, alias),
)
