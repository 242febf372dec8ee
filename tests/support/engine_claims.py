"""What the real engine and its builtin are both held to: programs with the outcome the engine gives them, as data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import pytest

from eval.datasets.loading import load_dataset
from eval.domains.luanti.mod_names import DEFAULT_MOD
from eval.domains.luanti.verify.engine.installation import find_installation
from eval.pipeline.loop import judge
from eval.pipeline.verifier import Job, Verifier
from eval.records import Outcome, Task, TaskCheck, Verdict
from tests.support.luanti import open_verifier
from tests.support.settings import dataset_settings, verifier_settings

NEEDS_ENGINE = (
    pytest.mark.debian,
    pytest.mark.heavy,  # each program starts a server
    pytest.mark.xdist_group("engine"),
    pytest.mark.skipif(
        not find_installation().server, reason="the engine is not installed (luanti-server or minetest-server)"
    ),
)
NEEDS_BUILTIN = (
    pytest.mark.debian,
    pytest.mark.xdist_group("builtin"),
    pytest.mark.skipif(
        not find_installation().builtin, reason="the engine's Lua is not installed (luanti-data or minetest-data)"
    ),
)
Judge = Callable[..., Verdict]
NODE = 'core.register_node("mymod:a", {%s})'

ACCEPTED = (
    NODE % 'tiles = "x.png"',
    NODE % "",
    NODE % 'drawtype = "no_such_drawtype", tiles = {"x.png"}',
    NODE % "light_source = 15",
    'core.register_node(":other:a", {})',
    'core.register_craft({output = "no:such 3", recipe = {{"also:none"}}})',
    'core.register_craft({type = "fuel", recipe = "a", burntime = 3})',
    'core.register_abm({nodenames = {"a"}, interval = 1, chance = 1, action = function() end})',
    'core.register_entity("mymod:e", {on_step = function() end})',
    "goto done; do x = 1 end ::done:: y = 0x10LL == 16",
)

REFUSED = (
    ('core.register_node("a", {})', "naming conventions"),
    ('core.register_node("other:a", {})', "naming conventions"),
    ('core.register_node("mymod:a-b", {})', "unallowed characters"),
    ('core.register_node("mymod:a")', "a nil value"),
    ("core.register_node(nil, {})", "Name is nil"),
    (NODE % 'light_source = "14"', "compare number with string"),
    (NODE % "groups = {cracky = true}", ""),
    (NODE % 'groups = "cracky"', ""),
    ('core.register_craft({recipe = {{"a"}}})', "missing an output"),
    ('core.register_craft({output = "a"})', "missing a recipe"),
    ('core.register_craft({output = "a", recipe = {"b"}})', "Invalid crafting recipe"),
    ('core.register_craft({type = "baking", output = "a", recipe = "b"})', "Unknown crafting definition type"),
    ("core.register_abm({nodenames = {'a'}})", "Required field 'action'"),
    ("core.override_item('mymod:none', {})", "non-existent item"),
    ("minetest.add_to_creative_inventory('mymod:a')", "add_to_creative_inventory"),
    ("core.after('1 second', print)", "after invocation"),
    ("core.chat_send_player({}, 'x')", "string expected"),
    ("local a <const> = 1", "expected"),
    ("print(7 // 2)", "near"),
)

AT = "{x = 0, y = 0, z = 0}"
LATER = "core.after(0, function() %s end)"
LOADED = "core.register_on_mods_loaded(function() %s end)"
# What comes too late or too early in a mod's life: the engine refuses it, or gives nil that the next call trips over.
OUT_OF_TIME = (
    LATER % (NODE % ""),
    LATER % 'core.register_tool("mymod:a", {})',
    LATER % 'core.register_craftitem("mymod:a", {})',
    LATER % 'core.register_entity("mymod:a", {})',
    LATER % 'core.register_biome({name = "a"})',
    LATER % 'core.register_ore({ore_type = "scatter", ore = "air", wherein = "air", clust_scarcity = 8})',
    LATER % 'core.get_mod_storage():set_int("a", 1)',
    LATER % 'error("boo")',
    LOADED % (NODE % ""),
    LOADED % 'core.register_tool("mymod:a", {})',
    LOADED % 'core.register_entity("mymod:a", {})',
    LOADED % 'core.register_lbm({name = "mymod:a", nodenames = {"air"}, action = function() end})',
    LOADED % 'core.get_mod_storage():set_int("a", 1)',
    LOADED % f'core.get_meta({AT}):set_string("a", "b")',
    f"if core.get_node({AT}).name == 'air' then x = 1 end",
    f'core.get_meta({AT}):set_string("a", "b")',
    f"core.get_node_timer({AT}):start(1)",
    f'core.add_entity({AT}, "__builtin:item"):remove()',
    f"for _ in ipairs(core.get_objects_inside_radius({AT}, 5)) do end",
    f"core.dig_node({AT})",
    f"core.check_for_falling({AT})",
    'core.set_player_privs("bob", {fly = true})',
)
IN_TIME = (
    LOADED % 'core.override_item("air", {light_source = 3})',
    LOADED % 'core.register_node(":other:a", {})',
    LOADED % 'core.register_craft({output = "a", recipe = {{"b"}}})',
    LOADED % 'core.register_chatcommand("a", {func = function() end}) core.register_globalstep(function() end)',
    LOADED % 'core.register_biome({name = "a"})',
    LATER % 'core.register_chatcommand("a", {func = function() end}) core.register_globalstep(function() end)',
    LATER % 'core.register_craft({output = "a", recipe = {{"b"}}})',
    LATER % f'core.get_meta({AT}):set_string("a", core.get_node({AT}).name)',
    LATER % f'core.set_node({AT}, {{name = "air"}})',
    f'core.set_node({AT}, {{name = "air"}}) assert(core.get_node_or_nil({AT}) == nil)',
    'local s = core.get_mod_storage() core.after(0, function() s:set_int("a", 1) end)',
    'core.get_player_by_name("bob") core.create_detached_inventory("a", {})',
    "assert(core.get_current_modname() == 'mymod') core.after(0, function() assert(not core.get_current_modname()) end)",
)

# (program, check): what only holds when the engine's own code did it.
BEHAVIOURS = {
    "light above fourteen is fourteen": (
        NODE % "light_source = 99",
        'equal(node("mymod:a").light_source, 14, "light")',
    ),
    "absent fields read as defaults": (NODE % "", 'equal(node("mymod:a").drawtype, "normal", "drawtype")'),
    "a definition takes no new field after registration": (
        NODE % "",
        'local def = node("mymod:a") def._new = 1 equal(def._new, nil, "_new")',
    ),
    "callbacks run in order and are told apart from builtin's": (
        'for i = 1, 2 do core.register_on_joinplayer(function(p) core.chat_send_player(p:get_player_name(), "hi " .. i) end) end',
        'fire("on_joinplayer", player("bob")) equal(calls("chat_send_player"), {{"bob", "hi 1"}, {"bob", "hi 2"}}, "told")',
    ),
    "time passes when a check says so": (
        'core.after(5, function(x) core.chat_send_all(x) end, "late")',
        'advance(4) equal(#calls("chat_send_all"), 0, "early") advance(2) equal(calls("chat_send_all"), {{"late"}}, "late")',
    ),
    "what is due at once runs before the first check": (
        'core.after(0, function() core.chat_send_all("soon") end) core.after(9, function() core.chat_send_all("late") end)',
        'equal(calls("chat_send_all"), {{"soon"}}, "told") advance(9.5) equal(#calls("chat_send_all"), 2, "told later")',
    ),
    "callbacks of on_mods_loaded run once, before there is a world": (
        f"seen = {{}} core.register_on_mods_loaded(function() seen[#seen + 1] = core.get_node_or_nil({AT}) or 'nothing' end)",
        'equal(global("seen"), {"nothing"}, "seen") fire("on_mods_loaded") equal(#global("seen"), 1, "again")',
    ),
    "a node of which nothing is written down has no inventory": (
        f"function list() return core.get_inventory({{type = 'node', pos = {AT}}}) end",
        f'equal(run(global("list")), nil, "before") world.meta({AT}):get_inventory():set_size("main", 2) '
        'equal(run(global("list")):get_size("main"), 2, "after")',
    ),
    "node timers run and stop": (
        NODE % 'on_timer = function(pos) core.set_node(pos, {name = "air"}) end'
        + 'function plant(pos) core.set_node(pos, {name = "mymod:a"}) core.get_node_timer(pos):start(3) end',
        'local p = vector(1, 2, 3) run(global("plant"), p) advance(2) equal(world.get(p), "mymod:a", "early") advance(2) equal(world.get(p), "air", "late")',
    ),
    "placing goes through after_place_node and protection": (
        NODE
        % 'after_place_node = function(pos, placer) core.get_meta(pos):set_string("owner", placer:get_player_name()) end'
        + "core.is_protected = function(pos) return pos.x > 50 end",
        'local c, bob, s = global("core"), player("bob"), stack("mymod:a 5") '
        'for _, x in ipairs({0, 60}) do world.set(vector(x, 0, 0), "mymod:a") '
        'run(c.item_place_node, s, bob, {type = "node", under = vector(x, 0, 0), above = vector(x, 1, 0)}) end '
        'equal(s:get_count(), 4, "left") equal(world.meta(vector(0, 1, 0)):get_string("owner"), "bob", "owner") equal(world.get(vector(60, 1, 0)), "air", "protected")',
    ),
    "digging gives drops to the digger": (
        NODE % 'drop = "mymod:b 2"' + 'core.register_craftitem("mymod:b", {})',
        'local p, bob = vector(0, 0, 0), player("bob") world.set(p, "mymod:a") world.dig(p, bob) '
        'expect(bob:get_inventory():contains_item("main", "mymod:b 2"), "no drop") equal(world.get(p), "air", "node")',
    ),
    "eating empties the hand and returns nothing": (
        'eat = core.item_eat(3) core.register_craftitem("mymod:soup", {on_use = eat})',
        'local bob = player("bob") bob:set_hp(5) equal(run(global("eat"), stack("mymod:soup 2"), bob, {type = "nothing"}), nil, "returned") '
        'equal(bob:get_wielded_item():to_string(), "mymod:soup", "in hand") equal(bob:get_hp(), 8, "hp")',
    ),
    "privileges are kept in accounts": (
        "function may(name) return (core.check_player_privs(name, {fly = true})) end",
        'local c = global("core") player("bob") equal(run(global("may"), "bob"), false, "before") '
        'run(c.set_player_privs, "bob", {fly = true}) equal(run(global("may"), "bob"), true, "after")',
    ),
    "entities live in the world": (
        'core.register_entity("mymod:e", {initial_properties = {hp_max = 5}, on_activate = function(self, data) self.said = data end})',
        'local e = run(global("core").add_entity, vector(0, 7, 0), "mymod:e", "x") equal(e:get_luaentity().said, "x", "data") '
        'equal(#run(global("core").get_objects_inside_radius, vector(0, 7, 0), 1), 1, "there") e:remove() expect(not e:is_valid(), "still there")',
    ),
    "an override of the candidate's is what the engine calls": (
        NODE % "" + "core.handle_node_drops = function(pos, drops) core.chat_send_all(drops[1]) end",
        'world.set(vector(0, 0, 0), "mymod:a") world.dig(vector(0, 0, 0), player("bob")) equal(calls("chat_send_all"), {{"mymod:a"}}, "called")',
    ),
    "what checks call is not the candidate's override": (
        "core.get_node = function() return {name = 'mymod:forged'} end",
        'equal(world.get(vector(0, 0, 0)), "air", "node")',
    ),
    "what a check names and nobody registers can be placed and dropped, and is not registered": (
        "",
        'world.set(vector(0, 0, 0), "other:rock") equal(world.get(vector(0, 0, 0)), "other:rock", "node") '
        'expect(run(global("core").add_item, vector(0, 0, 0), "mymod:thing 3"), "no drop") '
        'equal(global("core").registered_items["other:rock"], nil, "registered") equal(#all("node"), 0, "nodes")',
    ),
    "metatables of the engine's objects cannot be written": (
        'local m = getmetatable(ItemStack("")) if type(m) == "table" then m.get_count = function() return 7 end end',
        'equal(stack("mymod:a 2"):get_count(), 2, "count")',
    ),
}


@contextmanager
def judging(name: str, **settings: float) -> Iterator[Judge]:
    """Open a verifier and give a function that judges a program by Lua checks."""
    with open_verifier(verifier_settings(name=name, workers=1, **settings)) as verifier:

        def run(code: str, *checks: str, needs: str = "registry", mod_name: str = DEFAULT_MOD) -> Verdict:
            named = tuple(TaskCheck(f"c{number}", lua, needs) for number, lua in enumerate(checks, 1))
            return verifier.submit(Job(code, named, mod_name)).result(timeout=120)

        yield run


def mini_tasks(n_dev: int) -> tuple[Task, ...]:
    """Return generated tasks, reproducibly."""
    settings = dataset_settings(name="luanti_mini", dev_tasks=n_dev, test_tasks=1, rows=1)
    return tuple(task for task in load_dataset(settings).tasks if task.split == "dev")


def disagreements(tasks: Iterable[Task], verifier: Verifier) -> list[str]:
    """Return a line for each reference that does not pass and each near miss that does."""
    programs = [(task, task.reference, True) for task in tasks]
    programs += [(task, miss.answer, False) for task, _, _ in tuple(programs) for miss in task.near_misses]
    lines = []
    for (task, _, passes), (_, verdict) in zip(
        programs, judge([(task, text) for task, text, _ in programs], verifier), strict=True
    ):
        if (verdict.outcome is Outcome.PASSED) != passes or verdict.outcome is Outcome.HARNESS_ERROR:
            lines.append(f"{task.id}: {'reference' if passes else 'near miss'} is {verdict.outcome}: {verdict.detail}")
    return lines
