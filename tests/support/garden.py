"""A mod named garden as a user would write it down: eval items in plain words, with references of that mod."""

from __future__ import annotations

from eval.records import Row

# instruction, reference: names, textures, groups and numbers stand in the prompt without quotes.
_ITEMS = (
    (
        "Register a node garden:apple with the texture garden_apple.png, in the group snappy 3.",
        'core.register_node("garden:apple", {\n\tdescription = "Apple",\n\ttiles = {"garden_apple.png"},\n'
        "\tgroups = {snappy = 3, flammable = 2},\n})",
    ),
    (
        "The garden mod needs a lantern: a node that glows with light level 11 and shows garden_lantern.png on all sides.",
        'core.register_node("garden:lantern", {\n\tdescription = "Lantern",\n\ttiles = {"garden_lantern.png"},\n'
        '\tparamtype = "light",\n\tlight_source = 11,\n\tgroups = {cracky = 3},\n})',
    ),
    (
        "Write a plantlike node called tall fern. Texture: fern_tall.png.",
        'core.register_node("garden:tall_fern", {\n\tdrawtype = "plantlike",\n\ttiles = {"fern_tall.png"},\n'
        "\twalkable = false,\n\tgroups = {snappy = 3},\n})",
    ),
    (
        "Add a craft item garden:seed whose inventory image is seed_bag.png and which stacks up to 16.",
        'core.register_craftitem("garden:seed", {\n\tdescription = "Seeds",\n\tinventory_image = "seed_bag.png",\n'
        "\tstack_max = 16,\n})",
    ),
    (
        "Create a tool, garden:shears, with image shears_steel.png that digs snappy nodes in 0.4 seconds, 60 uses.",
        'core.register_tool("garden:shears", {\n\tinventory_image = "shears_steel.png",\n\ttool_capabilities = {\n'
        "\t\tgroupcaps = {snappy = {times = {[3] = 0.4}, uses = 60, maxlevel = 1}},\n\t},\n})",
    ),
    (
        "Let three garden:plank in a row make garden:shelf 2.",
        'core.register_craft({\n\toutput = "garden:shelf 2",\n'
        '\trecipe = {{"garden:plank", "garden:plank", "garden:plank"}},\n})',
    ),
    (
        "Baking garden:dough in a furnace takes 7 seconds and gives garden:bread.",
        'core.register_craft({\n\ttype = "cooking",\n\toutput = "garden:bread",\n\trecipe = "garden:dough",\n'
        "\tcooktime = 7,\n})",
    ),
    (
        "One log, garden:log, should burn for 25 seconds.",
        'core.register_craft({\n\ttype = "fuel",\n\trecipe = "garden:log",\n\tburntime = 25,\n})',
    ),
    (
        "Every 12 seconds, with a chance of 40, garden:bud turns into garden:flower where it grows on garden:soil.",
        'core.register_abm({\n\tnodenames = {"garden:bud"},\n\tneighbors = {"garden:soil"},\n\tinterval = 12,\n'
        '\tchance = 40,\n\taction = function(pos)\n\t\tcore.set_node(pos, {name = "garden:flower"})\n\tend,\n})',
    ),
    (
        "Players with the privilege gardener can type /harvest. Explain it as: Harvest all ripe plants",
        'core.register_chatcommand("harvest", {\n\tdescription = "Harvest all ripe plants",\n'
        "\tprivs = {gardener = true},\n\tfunc = function(name)\n\t\treturn true\n\tend,\n})",
    ),
    (
        "A beehive block, please: top hive_top.png, bottom hive_bottom.png, the four sides hive_side.png; "
        "it drops garden:honey 3.",
        'core.register_node("garden:beehive", {\n\tdescription = "Hive",\n'
        '\ttiles = {"hive_top.png", "hive_bottom.png", "hive_side.png"},\n\tdrop = "garden:honey 3",\n'
        "\tgroups = {choppy = 2},\n})",
    ),
)


def items() -> list[Row]:
    """Return the items, numbered by line."""
    return [Row(asked, "", answer, "scaffold", line=line) for line, (asked, answer) in enumerate(_ITEMS, start=1)]
