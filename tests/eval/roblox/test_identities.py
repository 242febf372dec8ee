"""Texts of values that have none of their own repeat from run to run, and are still the engine's: one for each value."""

from __future__ import annotations

import re

from eval.domains.roblox.verify.verifier import World
from eval.records import Outcome
from tests.support.luau_programs import assert_prints, judged

ALL_WAYS = """
local t, f = {}, function() end
print(t, f, tostring(t), `{t} and {1}`, ("%5d%% %*"):format(3, f), string.format("%*", t))
print(coroutine.create(f), buffer.create(1), newproxy(), tostring(print))
warn(t)
error(tostring(f))
"""


def test_every_way_to_write_a_value_says_the_same_in_another_run(world: World) -> None:
    code = f"task.delay(0.5, function()\n{ALL_WAYS}\nend)"
    reading = ("step(1) errors() fail(prints()[1])", "fail(`{prints()[2]} {warnings()[1]} {errors()[1]}`)")
    verdicts = [judged(world, code, *reading) for _ in range(3)]
    runs = [" ".join(check.detail for check in verdict.checks) for verdict in verdicts]
    assert runs[0] == runs[1] == runs[2]
    addresses = re.findall(r"\b(table|function|thread|buffer|userdata): (0x[0-9a-f]{16})\b", runs[0])
    assert {kind for kind, _ in addresses} == {"table", "function", "thread", "buffer", "userdata"}
    # t and f, however they are written, and four values more
    assert len({address for _, address in addresses}) == 6


def test_a_value_keeps_its_text_and_no_other_value_has_it(world: World) -> None:
    assert_prints(
        world,
        """
        local seen, kept = {}, {}
        for i = 1, 2000 do
            local t = {}
            if i % 2 == 0 then kept[i] = t end
            seen[tostring(t)] = (seen[tostring(t)] or 0) + 1
        end
        local count, twice = 0, 0
        for _, times in seen do count += 1 if times > 2 then twice += 1 end end
        print(count, twice, tostring(kept[2]) == `{kept[2]}`, string.match(tostring({}), "^table: 0x%x+$") ~= nil)
        """,
        ["2000 0 true true"],
    )


def test_a_text_of_the_programs_own_is_left_as_it_is(world: World) -> None:
    assert_prints(
        world,
        """
        local inner = {}
        local outer = setmetatable({}, { __tostring = function() return tostring(inner) end })
        print(tostring(outer) == tostring(inner), setmetatable({}, { __tostring = function() return "x: 0x" end }))
        print(workspace, Vector3.one, Enum.Material.Wood, `{workspace} {nil} {true} {1.5}`)
        print(getmetatable(""), ("ab"):upper(), #string.rep("a", 3))
        """,
        [
            "true x: 0x",
            "Workspace 1, 1, 1 Enum.Material.Wood Workspace nil true 1.5",
            "The metatable is locked AB 3",
        ],
    )


def test_errors_of_writing_name_the_line_of_the_program(world: World) -> None:
    assert_prints(
        world,
        """local function said(f, ...) print((string.gsub(select(2, pcall(f, ...)), "^[%w.]+:", "line "))) end
        said(function() return string.format("%d", {}) end)
        said(function() return ("%d"):format("x") end)
        said(function() return string.format() end)
        said(function() return `{setmetatable({}, { __tostring = function() error("mine") end })}` end)
        said(function() return tostring(setmetatable({}, { __tostring = function() error("mine", 0) end })) end)
        """,
        [
            "line 2: invalid argument #2 to 'format' (number expected, got table)",
            "line 3: invalid argument #2 to 'format' (number expected, got string)",
            "line 4: missing argument #1 to 'format' (string expected)",
            "line 5: mine",
            "mine",
        ],
    )


def test_the_libraries_of_strings_stay_read_only(world: World) -> None:
    for code in (
        "string.format = print",
        'getmetatable("").__index = {}',
        "string.x = 1",
        "table.clone(string).format = 1",
    ):
        verdict = judged(world, code, "")
        expected = Outcome.PASSED if "clone" in code else Outcome.RUNTIME_ERROR
        assert verdict.outcome is expected, code
