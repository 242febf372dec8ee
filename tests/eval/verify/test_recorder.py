"""The recorder judges as the engine does: strict where it is strict, lenient where it is lenient."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from eval.domains.luanti.verify.recorder import LUA_FILES, LUA_ON_DEMAND, lua_files
from eval.records import Outcome
from tests.support.engine_claims import ACCEPTED, NODE, REFUSED, Judge, judging


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    with judging("recorder") as run:
        yield run


def test_the_first_failed_check_and_why_is_the_detail(judge: Judge) -> None:
    verdict = judge(
        NODE % "light_source = 14",
        'node("mymod:a")',
        'equal(node("mymod:a").light_source, 7, "light_source")',
        'fail("later")',
    )
    assert verdict.outcome is Outcome.WRONG
    assert verdict.detail == "c2: light_source: expected 7, got 14"
    assert [check.passed for check in verdict.checks] == [True, False, False]


def test_a_syntax_error_names_its_line_and_reaches_no_check(judge: Judge) -> None:
    verdict = judge("x = 1\ny = = 2", 'fail("x")')
    assert verdict.outcome is Outcome.SYNTAX_ERROR
    assert verdict.detail == "init.lua:2: unexpected symbol near '='"
    assert [check.passed for check in verdict.checks] == [None]


def test_an_error_while_loading_names_the_programs_own_line(judge: Judge) -> None:
    verdict = judge('\n\ncore.register_node("other:a", {})')
    assert verdict.outcome is Outcome.RUNTIME_ERROR
    assert verdict.detail.startswith('init.lua:3: Name other:a does not follow naming conventions: "mymod:"')


@pytest.mark.parametrize(
    "code",
    [
        *ACCEPTED,
        NODE % 'drawtype = "no_such_drawtype", tiles = {1, 2}',
        'minetest.register_tool("mymod:t", {inventory_image = 5})',
        'core.register_craft({type = "toolrepair", additional_wear = -0.02})',
        'core.env:add_node({x = 0, y = 0, z = 0}, {name = "mymod:a"})',
    ],
)
def test_what_the_engine_accepts_is_accepted(judge: Judge, code: str) -> None:
    assert judge(code).outcome is Outcome.PASSED


@pytest.mark.parametrize(
    ("code", "why"),
    [
        *REFUSED,
        (NODE % "groups = {cracky = true}", "rating of group 'cracky'"),
        (NODE % 'groups = {"cracky"}', "rating of group '1'"),
        (NODE % 'groups = "cracky"', "'groups' (table expected"),
        (NODE % 'sounds = "x"', "'sounds' (table expected"),
        ('core.register_craft({output = "a", recipe = {{"b", "c"}, {"d"}}})', "Invalid crafting recipe"),
        ('core.register_craft({type = "shapeless", output = "a", recipe = {{"b"}}})', "Invalid crafting recipe"),
        ('core.register_craft({type = "cooking", output = "a", recipe = {"b"}})', "missing a recipe"),
        ('core.register_craft({type = "fuel", burntime = 1})', "missing a recipe"),
        ("core.register_craft()", "table expected"),
        ("core.register_ore({ore_type = 'lumps'})", "unknown oretype"),
        ("core.register_nodes('mymod:a', {})", "register_nodes"),
        ("core.after('1 second', print)", "Invalid core.after"),
        ("core.after(1, print('x'))", "Invalid core.after"),
    ],
)
def test_what_the_engine_refuses_is_refused(judge: Judge, code: str, why: str) -> None:
    verdict = judge(code)
    assert verdict.outcome in (Outcome.RUNTIME_ERROR, Outcome.SYNTAX_ERROR)
    assert why in verdict.detail


def test_light_above_fourteen_is_fourteen(judge: Judge) -> None:
    assert (
        judge(NODE % "light_source = 99", 'equal(node("mymod:a").light_source, 14, "light")').outcome is Outcome.PASSED
    )


def test_absent_fields_read_as_the_engines_defaults(judge: Judge) -> None:
    check = 'local n = node("mymod:a") equal(n.drawtype, "normal", "d") equal(n.stack_max, 99, "s") equal(n.light_source, 0, "l")'
    assert judge(NODE % "", check, 'equal(rawget(node("mymod:a"), "drawtype"), nil, "raw")').outcome is Outcome.PASSED


def test_registrations_and_calls_are_listed(judge: Judge) -> None:
    verdict = judge(
        NODE % "" + 'core.register_craft({output = "mymod:a 4", recipe = {{"b"}}}) core.log("x")'
        'core.register_on_joinplayer(print) core.register_alias("old", "mymod:a")'
    )
    assert verdict.registered == ("node mymod:a", "craft mymod:a 4", "on_joinplayer", "alias old")
    assert verdict.api_calls == ("log",)


def test_an_absent_thing_is_named_beside_what_is_there(judge: Judge) -> None:
    assert (
        judge(NODE % "", 'tool("mymod:a")').detail == 'c1: no tool "mymod:a" was registered (registered: node mymod:a)'
    )
    assert judge("", 'item("mymod:a")').detail == 'c1: no item "mymod:a" was registered (registered: nothing)'
    assert judge("", 'global("f")').detail == 'c1: no global "f" was defined'
    assert judge("", 'craft("a")').detail == 'c1: no recipe gives "a" (registered: nothing)'


@pytest.mark.parametrize(
    ("check", "detail"),
    [
        ('equal({a = {b = 1}}, {a = {b = 2}}, "t")', "t.a.b: expected 2, got 1"),
        ('equal({1, 2, 3}, {1, 2}, "t")', "t[3]: expected nil, got 3"),
        ('equal({1, 2}, {1, 2, 3}, "t")', "t[3]: expected 3, got nil"),
        ('equal("7", 7, "t")', 't: expected 7, got "7"'),
        ('equal(nil, {x = 1}, "t")', "t: expected {x = 1}, got nil"),
        ('near(1.2, 1, 0.1, "t")', "t: expected 1 within 0.1, got 1.2"),
        ('near(0/0, 1, 0.1, "t")', "t: expected 1 within 0.1, got nan"),
        ('near("1", 1, 0.1, "t")', 't: expected 1 within 0.1, got "1"'),
        ('contains("abc", "x", "t")', 't: expected text with "x", got "abc"'),
        ('contains({"a"}, "x", "t")', 't: expected "x" among {"a"}'),
        ('expect(false, "why")', "why"),
        ('fail("why")', "why"),
    ],
)
def test_a_failed_comparison_says_what_was_expected(judge: Judge, check: str, detail: str) -> None:
    verdict = judge("", check)
    assert (verdict.outcome, verdict.detail) == (Outcome.WRONG, f"c1: {detail}")


def test_comparisons_that_hold_pass(judge: Judge) -> None:
    check = 'equal({a = {1}}, {a = {1}}, "t") near(1.05, 1, 0.1, "t") contains("a.b", ".", "t") contains({{x = 1}}, {x = 1}, "t") expect(1)'
    assert judge("", check).outcome is Outcome.PASSED


def test_a_check_that_trips_over_the_programs_shape_is_a_wrong_answer(judge: Judge) -> None:
    verdict = judge(
        'core.register_node("mymod:a", {tool_capabilities = false})',
        'equal(node("mymod:a").tool_capabilities.x, 1, "x")',
    )
    assert verdict.outcome is Outcome.WRONG


def test_a_check_that_does_not_compile_is_our_fault_and_not_the_programs(judge: Judge) -> None:
    verdict = judge("", 'fail("first")', "x = = 1")
    assert verdict.outcome is Outcome.HARNESS_ERROR
    assert verdict.detail.startswith("c2: ")


def test_an_error_in_a_callback_is_a_runtime_error(judge: Judge) -> None:
    verdict = judge("function f(x)\n\treturn x.y.z\nend", 'run(global("f"), {})')
    assert verdict.outcome is Outcome.RUNTIME_ERROR
    assert verdict.detail == "c1: init.lua:2: attempt to index field 'y' (a nil value)"


def test_a_callback_gets_its_arguments_and_gives_its_results(judge: Judge) -> None:
    verdict = judge(
        'core.register_chatcommand("hi", {func = function(name, param) return true, name .. param end})',
        'local ok, text = run(command("hi").func, "bob", "!") equal(ok, true, "ok") equal(text, "bob!", "text")',
    )
    assert verdict.outcome is Outcome.PASSED, verdict.detail


def test_fire_runs_every_callback_of_an_event_in_order(judge: Judge) -> None:
    code = (
        "core.register_on_punchnode(function(pos, node, puncher) core.chat_send_player(puncher:get_player_name(), node.name) return true end)"
        'core.register_on_punchnode(function() core.chat_send_all("second") end)'
    )
    check = (
        'fire("on_punchnode", {x = 0, y = 0, z = 0}, {name = "a"}, player("bob"))'
        'equal(calls("chat_send_player"), {{"bob", "a"}}, "told") equal(calls("chat_send_all"), {{"second"}}, "all")'
    )
    assert judge(code, check).outcome is Outcome.PASSED


def test_calls_keep_what_was_passed_and_not_what_became_of_it(judge: Judge) -> None:
    code = "local p = {x = 1, y = 2, z = 3} core.set_node(p, {name = 'a'}) p.x = 9"
    assert (
        judge(code, 'equal(calls("set_node")[1], {{x = 1, y = 2, z = 3}, {name = "a"}}, "call")').outcome
        is Outcome.PASSED
    )


def test_calls_that_the_recorder_makes_itself_are_not_the_programs(judge: Judge) -> None:
    code = 'core.register_node("mymod:a", {on_construct = function(pos) end}) core.remove_node({x = 0, y = 0, z = 0})'
    assert (
        judge(code, 'equal(#calls("set_node"), 0, "calls") equal(#calls("remove_node"), 1, "calls")').outcome
        is Outcome.PASSED
    )


def test_callbacks_act_on_a_small_world(judge: Judge) -> None:
    code = """
        core.register_node("mymod:a", {drop = "mymod:b 2", groups = {soil = 1},
            on_construct = function(pos) core.get_meta(pos):set_string("born", "yes") end,
            on_timer = function(pos) core.set_node(pos, {name = "mymod:b"}) end})
        core.register_node("mymod:b", {})
        function plant(pos) core.set_node(pos, {name = "mymod:a", param2 = 3}) core.get_node_timer(pos):start(5) end
    """
    check = """
        local pos = {x = 1, y = 2, z = 3}
        run(global("plant"), pos)
        equal(world.get(pos), "mymod:a", "planted")
        equal(world.get_node(pos).param2, 3, "param2")
        equal(world.meta(pos):get_string("born"), "yes", "meta")
        advance(4) equal(world.get(pos), "mymod:a", "too early")
        advance(2) equal(world.get(pos), "mymod:b", "grown")
        world.set(pos, "mymod:a")
        world.dig(pos, player("bob"))
        equal(world.get(pos), "air", "dug")
        expect(player("bob"):get_inventory():contains_item("main", "mymod:b 2"), "no drop")
    """
    verdict = judge(code, check)
    assert verdict.outcome is Outcome.PASSED, verdict.detail


def test_delayed_jobs_run_when_their_time_has_come(judge: Judge) -> None:
    code = 'core.after(2, function(text) core.chat_send_all(text) end, "late") core.after(1, core.chat_send_all, "soon"):cancel()'
    check = 'equal(#calls("chat_send_all"), 0, "at once") advance(1) advance(1) equal(calls("chat_send_all"), {{"late"}}, "messages")'
    assert judge(code, check).outcome is Outcome.PASSED


def test_entities_players_and_inventories_behave(judge: Judge) -> None:
    code = """
        core.register_entity("mymod:e", {initial_properties = {hp_max = 5}, on_activate = function(self) self.hello = self.object:get_pos().y end})
        core.after(0, function() e = core.add_entity({x = 0, y = 7, z = 0}, "mymod:e") end)
        eat = core.item_eat(3, "mymod:bowl")
        heal = function(player) player:set_hp(player:get_hp() - 15) end
    """
    check = """
        equal(global("e"):get_luaentity().hello, 7, "activated")
        local bob = player("bob")
        equal(bob:get_player_name(), "bob", "name") expect(bob:is_player(), "is a player")
        run(global("heal"), bob) equal(bob:get_hp(), 5, "hp")
        bob:set_wielded_item(stack("mymod:soup 2"))
        equal(run(global("eat"), bob:get_wielded_item(), bob, {type = "nothing"}), nil, "returned")
        equal(bob:get_wielded_item():to_string(), "mymod:soup", "left") equal(bob:get_hp(), 8, "fed")
        expect(bob:get_inventory():contains_item("main", "mymod:bowl"), "no bowl")
        equal(type(bob), "userdata", "type")
    """
    verdict = judge(code, check)
    assert verdict.outcome is Outcome.PASSED, verdict.detail


HELPERS = """
    assert(#("a,b,,c"):split(",") == 3 and #("a,b,,c"):split(",", true) == 4 and (" x "):trim() == "x")
    assert(table.indexof({"a", "b"}, "b") == 2 and table.copy({{1}})[1][1] == 1 and math.round(-0.5) == -1 and math.sign(-3) == -1)
    assert(core.formspec_escape("a[b];c") == "a\\\\[b\\\\]\\\\;c" and core.strip_colors(core.colorize("#f00", "x")) == "x")
    assert(core.deserialize(core.serialize({a = {1, "two", true}})).a[2] == "two" and core.deserialize("os.exit()") == nil)
    assert(core.pos_to_string({x = 1, y = 2, z = 3}) == "(1,2,3)" and vector.equals(core.string_to_pos("(1, 2, 3)"), vector.new(1, 2, 3)))
    assert(vector.add({x = 1, y = 1, z = 1}, 1).x == 2 and (vector.new(1, 2, 3) * 2).z == 6 and vector.length(vector.new(3, 4, 0)) == 5)
    assert(vector.new(1, 2, 3)[2] == 2 and tostring(vector.new(1, 2, 3)) == "(1, 2, 3)" and -vector.new(1, 0, 0) == vector.new(-1, 0, 0))
    assert(core.facedir_to_dir(core.dir_to_facedir({x = 1, y = 0, z = 0})).x == 1 and core.wallmounted_to_dir(1).y == -1)
    local h = core.hash_node_position({x = -5, y = 10, z = 300}) assert(vector.equals(core.get_position_from_hash(h), vector.new(-5, 10, 300)))
    local S = core.get_translator("mymod") assert(S("Hi @1", "you") == "Hi you")
    assert(ItemStack("mymod:a 5"):get_count() == 5 and ItemStack("mymod:a 5"):take_item(2):get_count() == 2 and ItemStack(""):is_empty())
    assert(core.settings:get_bool("x", true) == true and core.get_modpath("mymod") and core.get_modpath("default") == nil)
    assert(core.get_current_modname() == "mymod" and core == minetest and core.LIGHT_MAX == 14 and core.is_yes("yes"))
    assert(dump({a = 1}):find("a = 1") and core.write_json({1, "a"}) == '[1.0,"a"]' and core.encode_base64("abcd") == "YWJjZA")
    local storage = core.get_mod_storage() storage:set_int("n", 3) assert(core.get_mod_storage():get_int("n") == 3)
    local inv = core.create_detached_inventory("d", {}) inv:set_size("main", 2) assert(inv:add_item("main", "a 150"):is_empty())
    assert(core.check_player_privs("bob", {interact = true}) and not core.check_player_privs("bob", "fly"))
"""


def test_the_helpers_generated_code_uses_are_there(judge: Judge) -> None:
    for number, line in enumerate(HELPERS.strip().splitlines()):
        verdict = judge(line)
        assert verdict.outcome is Outcome.PASSED, (number, line, verdict.detail)


def test_functions_without_effect_can_still_be_called(judge: Judge) -> None:
    code = "core.sound_stop(1) core.set_timeofday(0.5) core.emerge_area({}, {}) core.forceload_block({}) local p = core.get_perlin"
    assert judge(code).api_calls == ("emerge_area", "forceload_block", "set_timeofday", "sound_stop")


def test_what_is_printed_is_kept_up_to_a_cap(judge: Judge) -> None:
    assert judge('print("a", 1) io.write("b")', 'equal(output(), "a\\t1\\nb", "output")').outcome is Outcome.PASSED
    assert (
        judge('for i = 1, 1000 do print(("x"):rep(1000)) end', 'expect(#output() == 65536, "cap")').outcome
        is Outcome.PASSED
    )


def test_a_recorder_call_by_accident_does_not_hide_a_missing_function(judge: Judge) -> None:
    assert judge("if core.no_such_function then error('x') end").outcome is Outcome.PASSED
    assert (
        judge("core.no_such_function()").detail == "init.lua:1: attempt to call field 'no_such_function' (a nil value)"
    )


def test_mods_loaded_callbacks_run_once_and_their_error_is_a_load_error(judge: Judge) -> None:
    code = "core.register_on_mods_loaded(function() count = (count or 0) + 1 end)"
    assert judge(code, 'fire("on_mods_loaded") equal(global("count"), 1, "count")').outcome is Outcome.PASSED
    assert judge("core.register_on_mods_loaded(function() error('x') end)").outcome is Outcome.RUNTIME_ERROR


def test_the_same_program_gets_the_same_verdict(judge: Judge) -> None:
    code = NODE % "" + "r = math.random(1e9) for k in pairs({a = 1, b = 2, c = 3}) do core.log(k) end"
    verdicts = [judge(code, 'fail(tostring(global("r")))') for _ in range(3)]
    assert len({(verdict.detail, verdict.api_calls) for verdict in verdicts}) == 1


def test_every_part_of_the_judging_program_ships_with_the_package() -> None:
    parts = lua_files(LUA_FILES + LUA_ON_DEMAND)
    assert all(text.startswith("--") for text in parts.values())
