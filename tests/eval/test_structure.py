"""What a program registers is read from its text, aliases and literals included."""

from __future__ import annotations

import pytest

from eval.domains.luanti.items.structure import (
    LuaCode,
    LuaTable,
    Registration,
    Unparsed,
    lua_literal,
    lua_string,
    lua_type,
    registrations,
    scan_registrations,
)


def test_registrations_come_in_order_with_kind_name_and_definition() -> None:
    found = registrations(
        "core.register_tool('mymod:pick', {description = 'Pick'})\n"
        'minetest.register_craft({output = "mymod:pick"})\n'
        "core.register_on_joinplayer(function(player) end)\n"
        "core.register_alias('a', 'b')\n"
    )
    assert found == (
        Registration("tool", "mymod:pick", LuaTable((("description", "Pick"),))),
        Registration("craft", "", LuaTable((("output", "mymod:pick"),))),
        Registration("on_joinplayer", "", None),
        Registration("alias", "a", None),
    )


def test_a_local_name_for_the_api_is_followed() -> None:
    assert registrations("local mt = minetest\nmt.register_node('a:b', {})")[0].name == "a:b"
    assert registrations("local mt = other\nmt.register_node('a:b', {})") == ()


def test_registrations_inside_functions_and_loops_are_not_guessed() -> None:
    assert registrations("for i = 1, 3 do core.register_node('a:b' .. i, {}) end") == ()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r"'a\tb\65\x42\u{fc}\z   c\'\195\188'", "a\tbABüc'ü"),
        ("'ü'", "ü"),
        ("[=[\na\\n]=]", "a\\n"),
        ("'a' .. 'b'", "ab"),
        ("[[long]]", "long"),
        ("0x10", 16),
        ("-1.5", -1.5),
        ("1e3", 1000.0),
        ("false", False),
        ("nil", None),
        ("function() end", LuaCode("function")),
        ("S('x')", LuaCode("")),
        ("x .. 'y'", LuaCode("string")),
        ("{1, 'b', x = {true}, [5] = 2}", LuaTable(((1, 1), (2, "b"), ("x", LuaTable(((1, True),))), (5, 2)))),
    ],
)
def test_literals_are_read_and_code_stays_code(text: str, value: object) -> None:
    definition = registrations(f"core.register_node('a:b', {{field = {text}}})")[0].definition
    assert definition is not None
    assert definition.get("field") == value


def test_of_two_values_for_one_key_the_last_counts() -> None:
    assert LuaTable((("a", 1), ("a", 2))).get("a") == 2
    assert LuaTable(()).get("a") is None


@pytest.mark.parametrize("code", ["core.register_node('a:b' {", "x = 'abc", "(" * 200 + "1" + ")" * 200])
def test_what_is_not_lua_is_said_and_nothing_is_printed(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Unparsed):
        registrations(code)
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""


def test_a_scan_finds_kind_and_name_in_broken_code() -> None:
    found = scan_registrations("minetest.register_tool('mymod:pick' {\n core.register_craft({ core.register_abm{")
    assert found == (
        Registration("tool", "mymod:pick", None),
        Registration("craft", "", None),
        Registration("abm", "", None),
    )


def test_lua_types_are_lua_s() -> None:
    values = ("x", 1, 1.5, True, None, LuaTable(()), LuaCode("function"), LuaCode(""))
    assert [lua_type(v) for v in values] == ["string", "number", "number", "boolean", "nil", "table", "function", ""]


def test_a_literal_written_as_lua_reads_back_the_same() -> None:
    table = LuaTable(((1, 'quote " and \\ and \n and ü'), ("a b", True), (2.5, LuaTable(((1, -3),)))))
    definition = registrations(f"core.register_node('a:b', {{field = {lua_literal(table)}}})")[0].definition
    assert definition is not None
    assert definition.get("field") == table


def test_text_from_a_prompt_cannot_end_the_lua_string_it_is_in() -> None:
    assert lua_string('") os.exit() --\n') == '"\\034) os.exit() --\\010"'


def test_a_table_with_code_is_no_literal() -> None:
    with pytest.raises(ValueError, match="code"):
        lua_literal(LuaTable(((1, LuaCode("function")),)))
