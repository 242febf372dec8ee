"""Tables whose keys are tables, functions, threads or instances are gone through in the same order on every run.

The VM's own order of such keys is by address. Twenty keys come by chance in the order that a test expects once in 20!.
"""

from __future__ import annotations

import pytest

from eval.domains.roblox.verify import conditions
from eval.domains.roblox.verify.runs import Condition
from eval.domains.roblox.verify.verifier import World
from eval.pipeline.verifier import Job
from eval.records import Outcome, TaskCheck
from tests.support.luau_programs import assert_prints, judged
from tests.support.settings import verifier_settings

COUNTING = " ".join(str(number) for number in range(1, 21))
# How programs make keys; each of a kind that the VM orders by address.
MAKERS = {
    "tables": "{}",
    "functions": "function() return i end",
    "threads": "coroutine.create(function() end)",
    "instances": 'Instance.new("Part")',
    "userdata": "newproxy(true)",
    "buffers": "buffer.create(1)",
    "connections": "workspace.ChildAdded:Connect(function() end)",
}
# How programs go through a table; each appends every value to `out`.
LOOPS = {
    "the table itself": "for _, v in set do table.insert(out, v) end",
    "pairs": "for _, v in pairs(set) do table.insert(out, v) end",
    "next": "for _, v in next, set do table.insert(out, v) end",
    "next by hand": "local k, v = next(set) while k ~= nil do table.insert(out, v) k, v = next(set, k) end",
    "next from __iter": "for _, v in setmetatable({}, { __iter = function() return next, set end }) do table.insert(out, v) end",
    "what pairs returns": "local f, s, k = pairs(set) for _, v in f, s, k do table.insert(out, v) end",
    "foreach": "table.foreach(set, function(_, v) table.insert(out, v) end)",
    "a clone": "for _, v in table.clone(set) do table.insert(out, v) end",
    "a table with a metatable": "for _, v in setmetatable(set, { __index = {} }) do table.insert(out, v) end",
}
# How a value becomes a key.
WRITES = {
    "assignment": "set[make(i)] = i",
    "several targets": "local other other, set[make(i)] = 0, i",
    "first of several targets": "local other set[make(i)], other = i, 0",
    "rawset": "rawset(set, make(i), i)",
    "compound assignment": "set[make(i)] += i",
    "concatenating assignment": 'set[make(i)] ..= "" set[last] = i',
    "constructor": "for k, v in { [make(i)] = i } do set[k] = v end",
    "a comment between": "set[make(i)] --[[ here ]] = i",
    "inside a function inside a call": "pcall(function() set[make(i)] = i end)",
    "code in a text": "local _ = `{(function() set[make(i)] = i return 1 end)()}`",
    "if expression": "set[if i > 0 then make(i) else nil] = i",
}


def program(make: str = "{}", write: str = WRITES["assignment"], loop: str = LOOPS["the table itself"]) -> str:
    """Return a program that prints the values of twenty keys in the order of a loop."""
    return f"""
        local set, out, last = setmetatable({{}}, {{ __index = function() return 0 end }}), {{}}, nil
        local function make(i) last = {make} return last end
        for i = 1, 20 do {write} end
        setmetatable(set, nil)
        {loop}
        print(table.concat(out, " "))
        """


@pytest.mark.parametrize("kind", MAKERS)
def test_keys_of_every_kind_come_in_the_order_in_which_they_became_keys(world: World, kind: str) -> None:
    assert_prints(world, program(make=MAKERS[kind]), [COUNTING])


@pytest.mark.parametrize("loop", LOOPS)
def test_every_way_to_go_through_a_table_has_that_order(world: World, loop: str) -> None:
    assert_prints(world, program(loop=LOOPS[loop]), [COUNTING])


@pytest.mark.parametrize("write", WRITES)
def test_every_way_to_become_a_key_counts(world: World, write: str) -> None:
    assert_prints(world, program(write=WRITES[write]), [COUNTING])


def test_other_keys_of_such_a_table_come_first_and_sorted(world: World) -> None:
    assert_prints(
        world,
        """
        local t = { [{}] = "table", b = "b", [2.5] = "2.5", a = "a", [Vector3.new(0, 2, 0)] = "y", [true] = "true", [-1] = "-1" }
        t[Vector3.zero], t[1], t[false], t[print] = "zero", "1", "false", "print"
        local out = {}
        for _, value in t do table.insert(out, value) end
        print(table.concat(out, " "))
        """,
        ["-1 1 2.5 a b false true zero y table print"],
    )


def test_keys_may_go_while_they_are_gone_through(world: World) -> None:
    assert_prints(
        world,
        """
        local keys, set, seen = {}, {}, {}
        for i = 1, 6 do keys[i] = {} set[keys[i]] = i end
        for key, i in set do
            table.insert(seen, i)
            set[key] = nil
            if i == 2 then set[keys[3]] = nil end
            if i == 4 then set[keys[5]] = 50 end
        end
        print(table.concat(seen, " "), next(set))
        local count = 0
        for i = 1, 6 do set[keys[i]] = i end
        while next(set) do set[next(set)] = nil count += 1 end
        print(count, select("#", next(set)))
        """,
        ["1 2 4 50 6 nil", "6 1"],
    )


def test_what_a_check_says_of_such_a_table_is_the_same_each_time(world: World) -> None:
    code = "local set = {}\nfor i = 1, 6 do set[{}] = i end\nreturn set"
    shown = "value: expected 1, got {" + ", ".join(f"table: 0x{at:016x} = {at}" for at in range(1, 7)) + "}"
    verdict = judged(world, code, "equal(module(), 1)")
    assert verdict.checks[0].detail == shown
    differs = judged(
        world,
        code,
        "local wanted = table.clone(module()) for k, v in wanted do wanted[k] = -v end equal(module(), wanted)",
    )
    assert differs.checks[0].detail == "value.table: 0x0000000000000001: expected -1, got 1"


def test_an_even_seed_goes_the_other_way_so_that_conditions_find_what_depends_on_it(world: World) -> None:
    class Reversed(World):
        conditions = (Condition(seed=2),)

    with Reversed(verifier_settings(name="world", workers=1)) as verifier:
        backwards = " ".join(str(number) for number in range(20, 0, -1))
        assert_prints(verifier, program(), [backwards])
        assert_prints(verifier, program(loop=LOOPS["next by hand"]), [backwards])
    code = "local set = { [{}] = 1, [{}] = 2 }\nlocal first = select(2, next(set))\nreturn first"
    job = Job(code, (TaskCheck("first", "equal(module(), 1)"),))
    assert world.submit(job).result().outcome is Outcome.PASSED
    with conditions.open_pool(verifier_settings(name="conditions", workers=1)) as all_of_them:
        verdict = all_of_them.submit(job).result()
    assert (verdict.outcome, "seed 2" in verdict.detail) == (Outcome.WRONG, True)


def test_a_text_that_cannot_be_marked_says_so_beside_its_verdict(world: World) -> None:
    finding = "order: ServerScriptService.Script may go through tables in another order each time"
    many = "local v = {}\n" * 194  # with the program's own all that a function may have, but one
    for unread in ("local _as_key_ = nil\n", many, "--" + "x" * 2**18 + "\n"):
        verdict = judged(world, unread + program())
        assert (verdict.outcome, finding in verdict.findings) == (Outcome.PASSED, True), verdict
    assert not judged(world, program()).findings


# Programs with everything that a reader of tokens can trip over; each prints one line and must print it unchanged.
READ = """
local t: { [string]: number }, list = { a = 1 }, { 3, 1, 2 }
type Map<K, V> = { [K]: V }
local m: Map<string, number>
if t then m = t end
local optional: number?
if optional then error("no") end
local words = { "for k in t do", 'x[k] = "y"', [[for in do]], [==[ ]] x[{}] = 1 ]==], `a{#list}b{`{#list}`}` }
-- for k in t do
--[[ x[{}] = 1 ]]
local function sorted(l, f) local c = table.clone(l) table.sort(c, f) return c end
local out = {}
for _, v in sorted(list, function(a, b) if a == b then return false end return a < b end) do table.insert(out, v) end
for i: number = 1, if #list > 2 then 2 else 1 do table.insert(out, i) end
for _, v in if t then list else {} do table.insert(out, v) end
for _, v in (function() for _, x in list do if x == 1 then return { x } end end return {} end)() do table.insert(out, v) end
local x = if t.a == 1 then if t.b then 1 else if t.c then 2 else 3 else 4
repeat local done = true if done then x += 1 end until done
while if x > 4 then false else true do x += 1 end
t[ [[b]] ] = 2 t["c"], t[ "d" ] = 3, 4
local calls = 0
local iterated = setmetatable({}, { __iter = function() calls += 1 return function(_, k) k = (k or 0) + 1 if k < 3 then return k end end end })
for k in iterated do table.insert(out, k) end
local called = setmetatable({ 9 }, { __call = function(_, _, k) k = (k or 0) + 1 if k < 3 then return k end end })
for k in called do table.insert(out, k) end
local locked = setmetatable({ 7, [{}] = 8 }, { __metatable = "no" })
for _, v in locked do out[#out + 1] = v end
local f = {} for i = 1, 2 do f[i] = function() return x end end
print(table.concat(out, " "), x, t.b + t.c + t.d, calls, f[1] == f[2], #words)
"""


def test_marking_changes_nothing_that_a_program_does(world: World) -> None:
    shared = "false"  # closures over a variable that changes are different ones
    assert_prints(world, READ, [f"1 2 3 1 2 3 1 2 1 1 2 1 2 7 8 5 9 1 {shared} 5"])


def test_errors_of_loops_are_the_vms_with_the_line_of_the_program(world: World) -> None:
    assert_prints(
        world,
        """local function said(f, ...) print((string.gsub(select(2, pcall(f, ...)), "^[%w.]+:", "line "))) end
        said(function() for _ in pairs(nil) do end end)
        said(function() for _ in nil do end end)
        said(function() for _ in pairs() do end end)
        said(function() next({}, "none") end)
        said(function() next(workspace) end)
        said(function() rawset(1, 2, 3) end)
        said(function() rawset(table.freeze({}), {}, 3) end)
        said(function() local t = {} t[nil] = 1 end)
        said(function() local t = { [{}] = 1 } next(t, {}) end)
        """,
        [
            "line 2: invalid argument #1 to 'pairs' (table expected, got nil)",
            "line 3: attempt to iterate over a nil value",
            "line 4: missing argument #1 to 'pairs' (table expected)",
            "line 5: invalid key to 'next'",
            "line 6: invalid argument #1 to 'next' (table expected, got Instance)",
            "line 7: invalid argument #1 to 'rawset' (table expected, got number)",
            "line 8: attempt to modify a readonly table",
            "line 9: table index is nil",
            "line 10: invalid key to 'next'",
        ],
    )


def test_a_text_that_does_not_compile_is_told_as_it_was_written(world: World) -> None:
    verdict = judged(world, "local t = {}\nfor k in t do\n  t[k] = = 1\nend")
    assert verdict.outcome is Outcome.SYNTAX_ERROR
    assert "_in_order_" not in verdict.detail
    assert "3" in verdict.detail
