"""Scaffold problems that register nodes, tools, items and entities."""

from __future__ import annotations

from eval.dealing.pools import Draw
from eval.dealing.problem import Kind, Problem
from eval.domains.luanti.mini.lua import field_equals, nested_equals, register
from eval.domains.luanti.mini.names import item_name, texture_file
from eval.domains.luanti.mini.phrases import scaffold_items_phrases as phrases
from eval.records import NearMiss, TaskCheck

GROUPS = ("cracky", "crumbly", "choppy", "snappy", "flammable")


def node(draw: Draw) -> Problem:
    """A node with one texture; old code wrote ``tile_images``."""
    name, texture = item_name(draw), texture_file(draw)
    tiles = f'tiles = {{"{texture}"}}'
    return Problem(
        slots={"name": name, "texture": texture},
        answer=register("register_node", name, tiles),
        outdated=(
            NearMiss(_old("register_node", name, f'tile_images = {{"{texture}"}}'), "tile_images was renamed tiles"),
            NearMiss(_old("register_node", name, f'tile = "{texture}"'), "there is no field tile"),
        ),
        slips=(NearMiss(register("register_node", item_name(draw), tiles), "another name"),),
        checks=(_tiles(name, texture),),
    )


def lit_node(draw: Draw) -> Problem:
    """A node that gives light; old code wrote the level as a string, or ``light``."""
    name, texture, light = item_name(draw), texture_file(draw), draw.number(1, 14)
    tiles = f'tiles = {{"{texture}"}}'
    old_tiles = f'tile_images = {{"{texture}"}}'
    return Problem(
        slots={"name": name, "texture": texture, "light": str(light)},
        answer=register("register_node", name, tiles, f"light_source = {light}"),
        outdated=(
            NearMiss(_old("register_node", name, old_tiles, f"light_source = {light}"), "tile_images was renamed"),
            NearMiss(_old("register_node", name, old_tiles, f'light_source = "{light}"'), "the level is a string"),
        ),
        slips=(
            NearMiss(register("register_node", name, tiles), "no light"),
            NearMiss(register("register_node", name, tiles, f"light_source = {light - 1}"), "another level"),
        ),
        checks=(
            _tiles(name, texture),
            field_equals("light level", f'node("{name}")', "light_source", str(light)),
        ),
    )


def group_node(draw: Draw) -> Problem:
    """A node in one group; old code wrote the groups as a string or as a material."""
    name, texture, rating = item_name(draw), texture_file(draw), draw.number(1, 999)
    group = draw.stream.choice(GROUPS)
    tiles = f'tiles = {{"{texture}"}}'
    return Problem(
        slots={"name": name, "texture": texture, "group": group, "rating": str(rating)},
        answer=register("register_node", name, tiles, f"groups = {{{group} = {rating}}}"),
        outdated=(
            NearMiss(_old("register_node", name, tiles, f'groups = "{group}={rating}"'), "groups is a string"),
            NearMiss(_old("register_node", name, tiles, f'group = {{"{group}", {rating}}}'), "there is no field group"),
        ),
        slips=(
            NearMiss(
                register("register_node", name, tiles, f"groups = {{{group} = {draw.other_number(rating)}}}"),
                "another rating",
            ),
        ),
        checks=(_tiles(name, texture), nested_equals("group", f'node("{name}")', "groups", group, str(rating))),
    )


def tool(draw: Draw) -> Problem:
    """A tool with damage; old code wrote ``image`` and a flat damage."""
    name, texture, damage = item_name(draw), texture_file(draw), draw.number(1, 999)
    image = f'inventory_image = "{texture}"'
    capabilities = f"tool_capabilities = {{damage_groups = {{fleshy = {damage}}}}}"
    return Problem(
        slots={"name": name, "texture": texture, "damage": str(damage)},
        answer=register("register_tool", name, image, capabilities),
        outdated=(
            NearMiss(_old("register_tool", name, f'image = "{texture}"', f"damage = {damage}"), "fields of old tools"),
            NearMiss(
                _old("register_tool", name, image, f"tool_capabilities = {{fleshy = {damage}}}"), "no damage_groups"
            ),
        ),
        slips=(NearMiss(register("register_craftitem", name, image, capabilities), "not a tool"),),
        checks=(
            field_equals("image", f'tool("{name}")', "inventory_image", f'"{texture}"'),
            TaskCheck(
                "damage",
                f'local caps = tool("{name}").tool_capabilities\n'
                'expect(type(caps) == "table", "tool_capabilities is not a table")\n'
                f'equal(caps.damage_groups, {{fleshy = {damage}}}, "damage_groups")',
            ),
        ),
    )


def craftitem(draw: Draw) -> Problem:
    """A craft item with a description; old code wrote ``image`` and left the mod out."""
    name, title, texture = item_name(draw), draw.title(), texture_file(draw)
    described, image = f'description = "{title}"', f'inventory_image = "{texture}"'
    bare = name.split(":")[1]
    return Problem(
        slots={"name": name, "title": title, "texture": texture},
        answer=register("register_craftitem", name, described, image),
        outdated=(
            NearMiss(_old("register_craftitem", bare, described, image), "the name lacks its mod"),
            NearMiss(_old("register_craftitem", name, f'image = "{texture}"', f'desc = "{title}"'), "old field names"),
        ),
        slips=(NearMiss(register("register_node", name, described, image), "a node"),),
        checks=(
            field_equals("description", f'craftitem("{name}")', "description", f'"{title}"'),
            field_equals("image", f'craftitem("{name}")', "inventory_image", f'"{texture}"'),
        ),
    )


def stack_item(draw: Draw) -> Problem:
    """A craft item with a stack limit; careless code writes the limit as a string or under another name."""
    name, texture, count = item_name(draw), texture_file(draw), draw.number(2, 999)
    image = f'inventory_image = "{texture}"'
    return Problem(
        slots={"name": name, "texture": texture, "count": str(count)},
        answer=register("register_craftitem", name, image, f"stack_max = {count}"),
        outdated=(
            NearMiss(_old("register_craftitem", name, image, f'stack_max = "{count}"'), "the limit is a string"),
            NearMiss(_old("register_craftitem", name, image, f"max_stack = {count}"), "there is no field max_stack"),
        ),
        slips=(
            NearMiss(
                register("register_craftitem", name, image, f"stack_max = {draw.other_number(count)}"), "another limit"
            ),
        ),
        checks=(
            field_equals("stack limit", f'craftitem("{name}")', "stack_max", str(count)),
            field_equals("image", f'craftitem("{name}")', "inventory_image", f'"{texture}"'),
        ),
    )


def food(draw: Draw) -> Problem:
    """An item that can be eaten; old code wrote an ``on_eat`` number or forgot to call ``item_eat``."""
    name, texture, health = item_name(draw), texture_file(draw), draw.number(1, 999)
    image = f'inventory_image = "{texture}"'
    return Problem(
        slots={"name": name, "texture": texture, "health": str(health)},
        answer=register("register_craftitem", name, image, f"on_use = core.item_eat({health})"),
        outdated=(
            NearMiss(_old("register_craftitem", name, image, f"on_eat = {health}"), "there is no field on_eat"),
            NearMiss(_old("register_craftitem", name, image, f"eat = minetest.item_eat({health})"), "not on_use"),
        ),
        slips=(
            NearMiss(
                register("register_craftitem", name, image, f"on_use = core.item_eat({draw.other_number(health)})"),
                "another amount",
            ),
        ),
        checks=(
            field_equals("image", f'item("{name}")', "inventory_image", f'"{texture}"'),
            TaskCheck(
                "eaten",
                f'expect(type(item("{name}").on_use) == "function", "on_use is not a function")\n'
                f'equal(calls("item_eat")[1][1], {health}, "item_eat")',
            ),
        ),
    )


def entity(draw: Draw) -> Problem:
    """An entity with health and a picture; old code wrote ``hp`` and ``texture`` outside of initial_properties."""
    name, texture, health = item_name(draw), texture_file(draw), draw.number(1, 999)
    answer = register(
        "register_entity", name, f'initial_properties = {{hp_max = {health}, textures = {{"{texture}"}}}}'
    )
    return Problem(
        slots={"name": name, "texture": texture, "health": str(health)},
        answer=answer,
        outdated=(
            NearMiss(_old("register_entity", name, f"hp = {health}", f'texture = "{texture}"'), "old field names"),
            NearMiss(
                _old("register_entity", name, f'hp_max = "{health}"', f'textures = {{"{texture}"}}'),
                "the health is a string",
            ),
        ),
        slips=(NearMiss(answer.replace(f"hp_max = {health}, ", ""), "no health"),),
        checks=(
            TaskCheck("health", f'{_properties(name)}equal(properties.hp_max, {health}, "hp_max")'),
            TaskCheck("texture", f'{_properties(name)}equal(properties.textures, {{"{texture}"}}, "textures")'),
        ),
    )


def _old(function: str, name: str, *fields: str) -> str:
    return register(function, name, *fields, api="minetest")


def _tiles(name: str, texture: str) -> TaskCheck:
    return field_equals("tiles", f'node("{name}")', "tiles", f'{{"{texture}"}}')


def _properties(name: str) -> str:
    # Engines before 5.8 read the properties from the definition itself too.
    return f'local properties = entity("{name}").initial_properties or entity("{name}")\n'


KINDS = (
    Kind("scaffold", "node", 1, phrases.NODE, node),
    Kind("scaffold", "lit_node", 2, phrases.LIT_NODE, lit_node),
    Kind("scaffold", "group_node", 2, phrases.GROUP_NODE, group_node),
    Kind("scaffold", "tool", 3, phrases.TOOL, tool),
    Kind("scaffold", "craftitem", 2, phrases.CRAFTITEM, craftitem),
    Kind("scaffold", "stack_item", 2, phrases.STACK_ITEM, stack_item),
    Kind("scaffold", "food", 3, phrases.FOOD, food),
    Kind("scaffold", "entity", 3, phrases.ENTITY, entity),
)
