"""Repair problems: a small program with one fault, fixed by a unified diff."""

from __future__ import annotations

from eval.dealing.diffs import mended
from eval.dealing.pools import Draw
from eval.dealing.problem import Kind, Problem
from eval.domains.luanti.mini.lua import field_equals, register, register_table
from eval.domains.luanti.mini.names import item_name, texture_file
from eval.domains.luanti.mini.phrases import repair_phrases as phrases
from eval.records import TaskCheck

FILE = "init.lua"


def missing_comma(draw: Draw) -> Problem:
    """A definition of two fields; the first lost its comma."""
    name, texture, count = item_name(draw), texture_file(draw), draw.number(2, 999)
    first, second = draw.stream.choice(
        (
            (f'inventory_image = "{texture}"', f"stack_max = {count}"),
            (f"stack_max = {count}", f'inventory_image = "{texture}"'),
        )
    )
    whole = register("register_craftitem", name, first, second)
    return mended(whole.replace(f"{first},", first), whole, FILE, _item_checks(name, texture, count))


def wrong_field(draw: Draw) -> Problem:
    """A definition in which one field has a name the engine does not know."""
    name, texture, count = item_name(draw), texture_file(draw), draw.number(2, 999)
    whole = register("register_craftitem", name, f'inventory_image = "{texture}"', f"stack_max = {count}")
    right, wrong = draw.stream.choice(
        (
            ("inventory_image", "inventory_img"),
            ("inventory_image", "image"),
            ("stack_max", "max_stack"),
            ("stack_max", "stack_size"),
        )
    )
    return mended(whole.replace(right, wrong), whole, FILE, _item_checks(name, texture, count))


def string_number(draw: Draw) -> Problem:
    """A definition in which a number is in quotes."""
    if draw.stream.random() < 0.5:
        name, texture, count = item_name(draw), texture_file(draw), draw.number(2, 999)
        whole = register("register_craftitem", name, f'inventory_image = "{texture}"', f"stack_max = {count}")
        checks = _item_checks(name, texture, count)
        return mended(whole.replace(f"= {count}", f'= "{count}"'), whole, FILE, checks)
    source, seconds = item_name(draw), draw.number(2, 999)
    whole = register_table("register_craft", 'type = "fuel"', f'recipe = "{source}"', f"burntime = {seconds}")
    check = TaskCheck(
        "fuel",
        'local entry = all("craft")[1]\nexpect(entry, "no recipe was registered")\n'
        f'equal(entry.def, {{type = "fuel", recipe = "{source}", burntime = {seconds}}}, "recipe")',
    )
    return mended(whole.replace(f"= {seconds}", f'= "{seconds}"'), whole, FILE, (check,))


def missing_mod(draw: Draw) -> Problem:
    """An item whose name lacks its mod's prefix."""
    name, texture, count = item_name(draw), texture_file(draw), draw.number(2, 999)
    mod, bare = name.split(":")
    whole = register("register_craftitem", name, f'inventory_image = "{texture}"', f"stack_max = {count}")
    return mended(whole.replace(name, bare), whole, FILE, _item_checks(name, texture, count), {"mod": mod})


def open_brace(draw: Draw) -> Problem:
    """A node whose list of tiles is never closed."""
    name, texture, rating = item_name(draw), texture_file(draw), draw.number(2, 999)
    whole = register("register_node", name, f'tiles = {{"{texture}"}}', f"groups = {{cracky = {rating}}}")
    broken = whole.replace(f'"{texture}"}}', f'"{texture}"')
    checks = (
        field_equals("tiles", f'node("{name}")', "tiles", f'{{"{texture}"}}'),
        field_equals("groups", f'node("{name}")', "groups", f"{{cracky = {rating}}}"),
    )
    return mended(broken, whole, FILE, checks)


def missing_end(draw: Draw) -> Problem:
    """A function that is never ended."""
    name, number = draw.word(), draw.number(2, 999)
    symbol = draw.stream.choice("*+-")
    body = f"function {name}(x)\n\treturn x {symbol} {number}\n"
    check = TaskCheck("result", f'equal(run(global("{name}"), 7), 7 {symbol} {number}, "result")')
    return mended(body, f"{body}end\n", FILE, (check,))


def wrong_ingredient(draw: Draw) -> Problem:
    """A recipe that takes the wrong item."""
    output, other, good, bad, count = (
        item_name(draw),
        item_name(draw),
        item_name(draw),
        item_name(draw),
        draw.number(2, 999),
    )
    rows = [f'\t\t{{"{item}"}},\n' for item in draw.stream.sample((good, other), 2)]
    whole = f'core.register_craft({{\n\toutput = "{output} {count}",\n\trecipe = {{\n{"".join(rows)}\t}},\n}})\n'
    recipe = "{" + "".join(row.strip() for row in rows) + "}"
    checks = (
        field_equals("output", f'craft("{output}")', "output", f'"{output} {count}"'),
        field_equals("recipe", f'craft("{output}")', "recipe", recipe),
    )
    return mended(whole.replace(good, bad), whole, FILE, checks, {"good": good, "bad": bad})


def wrong_call(draw: Draw) -> Problem:
    """A register call with a misspelt name."""
    name, texture, count = item_name(draw), texture_file(draw), draw.number(2, 999)
    whole = register("register_craftitem", name, f'inventory_image = "{texture}"', f"stack_max = {count}")
    wrong = draw.stream.choice(("register_crafitem", "registr_craftitem", "register_item_craft", "add_craftitem"))
    return mended(whole.replace("register_craftitem", wrong), whole, FILE, _item_checks(name, texture, count))


def _item_checks(name: str, texture: str, count: int) -> tuple[TaskCheck, ...]:
    return (
        field_equals("image", f'craftitem("{name}")', "inventory_image", f'"{texture}"'),
        field_equals("stack limit", f'craftitem("{name}")', "stack_max", str(count)),
    )


KINDS = (
    Kind("repair", "missing_comma", 1, phrases.MISSING_COMMA, missing_comma, "diff"),
    Kind("repair", "wrong_field", 2, phrases.WRONG_FIELD, wrong_field, "diff"),
    Kind("repair", "string_number", 2, phrases.STRING_NUMBER, string_number, "diff"),
    Kind("repair", "missing_mod", 2, phrases.MISSING_MOD, missing_mod, "diff"),
    Kind("repair", "open_brace", 2, phrases.OPEN_BRACE, open_brace, "diff"),
    Kind("repair", "missing_end", 2, phrases.MISSING_END, missing_end, "diff"),
    Kind("repair", "wrong_ingredient", 3, phrases.WRONG_INGREDIENT, wrong_ingredient, "diff"),
    Kind("repair", "wrong_call", 2, phrases.WRONG_CALL, wrong_call, "diff"),
)
