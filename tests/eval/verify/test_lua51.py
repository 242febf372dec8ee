"""Lua 5.1 in LuaJIT's place: the same verdicts, the same library, and no verdict where it cannot be the same."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lupa.lua51
import pytest

from env.refusal import Refusal
from eval.domains.luanti.verify import vms
from eval.domains.luanti.verify.vms import VMS, choose_vm
from eval.pipeline.instrument import judge_known_answers
from eval.pipeline.verifier import Job, Verifier
from eval.records import Outcome, TaskCheck
from eval.sandbox.languages import lua, lua51
from tests.support.luanti import CONSTANTS, open_verifier, read_bench
from tests.support.settings import verifier_settings

# Runs its argument and returns the types and texts of what it returns.
JUDGE = {
    "judge.lua": "function P.judge(text) local out = { pcall(assert(loadstring(text, '=t'))) } "
    "for i = 1, table.maxn(out) do out[i] = type(out[i]) .. ' ' .. tostring(out[i]) end "
    "return unpack(out, 1, table.maxn(out)) end"
}
MEMORY_BYTES = 64 << 20
ALIKE = r"""
return tostring(0/0), string.format("%f %g %d %5.1f|", 0/0, 1/0, 3.7, -1/0)
return string.format("%q", "a\0b\r\n\t\"\\\1\1272")
return string.format("%s|%10s|%-5s|%.2s|%5s", nil, true, {} and "x", "abc", setmetatable({}, {__tostring = function() return "T" end}))
return string.format("%x %X %o %u %i %c %%", -1, 255, 8, 3, 4.9, 65), string.format("%+d|% d|%05d|%-5d|%.3d", 3, 3, 3, 3, 3)
return string.format("%5.1f|%e|%g|%.14g", "3.14", 12345.678, 1e20, 0.1)
return (pcall(string.format, "%d", "x")), (pcall(string.format, "%d")), (pcall(string.format, "%y", 1)), (pcall(string.format))
return ("x"):rep(3, ","), ("x"):rep(0, ","), ("ab"):rep(2), ("x"):rep(-1), (7):rep(2)
return math.log(8, 2), math.log(1), math.mod, string.gfind, table.setn
return xpcall(function(...) return select("#", ...), ... end, print, 1, nil, 3)
return table.concat(table.move({1, 2, 3}, 1, 3, 2), ","), table.concat(table.move({1, 2, 3}, 2, 3, 1), ","), #table.move({1, 2}, 1, 2, 1, {})
return coroutine.isyieldable(), coroutine.wrap(coroutine.isyieldable)()
return pcall(coroutine.wrap(function() error("e") end)), pcall(coroutine.wrap(function() error({}) end)) == false
return select("#", coroutine.wrap(function() return 1, nil end)()), coroutine.resume(coroutine.create(function(a) return a end), 5)
return math.random(0) >= 1, math.random(2, 1) <= 2, math.random(5) <= 5, (pcall(math.random, "x"))
return "\x41\u{e9}\u{20AC}\u{1F600}", 0b101, 0x10, 1e2, 1 ..2
return (function(...) return arg end)(1), (function(...) local arg = {...} return arg[1] end)(1)
return loadstring("return '\\d'") == nil, loadstring("x = = 1") == nil, loadstring("return 'größe' -- ü")()
return ("größe"):len(), ("a.b"):find(".", 1, true), #[==[ \x goto ]==], "goto ::a::"
local t = { ["goto"] = 1 } return t["goto"], t.goto
return type(jit.version), bit.tobit(2^31), bit.bswap(0x12345678), bit.tohex(-1, 4), bit.tohex(255, -2)
return bit.band(0xffffffff, 255, 15), bit.bor("1", 2), bit.bnot(0), bit.arshift(-256, 4), bit.rshift(-1, 28), bit.lshift(1, 33)
return (pcall(bit.band)), (pcall(bit.band, {})), bit.tobit(1.5), bit.tobit(2.5), bit.tobit(-0.5), bit.tobit(2^40 + 3)
""".strip().splitlines()
ALIKE.append("return 'a\\z\n   \\n b', debug.traceback('x', 1):match('^x')")


# The goto that Lua 5.1 can be given: on to a loop's next round.
ROUNDS = """
local o = {} for i = 1, 5 do if i % 2 == 0 then goto continue end o[#o + 1] = i ::continue:: end return table.concat(o, ",")
local o = {} for i = 1, 3 do for j = 1, 3 do if j == 2 then goto continue end o[#o + 1] = i .. j ::continue:: end if i == 2 then goto continue end o[#o + 1] = "x" ::continue:: end return table.concat(o, ",")
local o = {} for i = 1, 3 do local f = function() for j = 1, 2 do if j == 1 then goto continue end o[#o + 1] = j ::continue:: end end f() if i == 2 then goto continue end o[#o + 1] = "i" .. i ::continue:: end return table.concat(o, ",")
local o = {} for i = 1, 3 do repeat if i == 2 then break end o[#o + 1] = i until true if i == 1 then goto next_one end o[#o + 1] = "n" ::next_one:: end return table.concat(o, ",")
local t = {} for k, v in pairs({a = 1, b = 2}) do if v == 2 then goto continue end t[k] = function() return v end ::continue:: end return t.a(), t.b
local function f(...) for i = 1, select("#", ...) do local g = function(...) return ... end if g(i) == 2 then goto continue end ::continue:: end return ... end return f(1, 2, 3)
""".strip().splitlines()
ROUNDS.append(
    "local o, i = {}, 0 while i < 5 do i = i + 1 if i == 2 then\n goto\n continue end o[#o + 1] = i -- c\n ::continue:: -- the end\n"
    " end return table.concat(o, ','), debug.traceback():match(':(%d+)')"
)


def answers(module: Any, programs: list[str]) -> list[list[str | float]]:
    """Return what each of ``programs`` returns under one language."""
    compiled = module.compile_program(JUDGE, {})
    return [module.run_program(compiled, [text], MEMORY_BYTES) for text in programs]


@pytest.fixture(scope="module")
def judge51() -> Iterator[Verifier]:
    with open_verifier(verifier_settings(vm="lua51", workers=1)) as opened:
        yield opened


def test_the_library_answers_as_luajit_s_does() -> None:
    for text, one, other in zip(ALIKE, answers(lua, ALIKE), answers(lua51, ALIKE), strict=True):
        assert one == other, text


def test_a_goto_to_the_next_round_of_a_loop_does_what_it_does_in_luajit() -> None:
    for text, one, other in zip(ROUNDS, answers(lua, ROUNDS), answers(lua51, ROUNDS), strict=True):
        assert one == other, text


def test_bit_operations_agree_on_random_numbers() -> None:
    draw = random.Random(5)
    numbers = [
        draw.choice((draw.randrange(-(2**31), 2**32), draw.uniform(-1e6, 1e6), draw.randrange(2**51)))
        for _ in range(60)
    ]
    names = ("band", "bor", "bxor", "lshift", "rshift", "arshift", "rol", "ror")
    programs = [
        f"return bit.{name}({a!r}, {b!r}), bit.bnot({a!r}), bit.tohex({a!r}), bit.bswap({a!r})"
        for a, b in zip(numbers, reversed(numbers), strict=True)
        for name in names
    ]
    assert answers(lua, programs) == answers(lua51, programs)


def test_a_program_that_both_read_alike_is_left_byte_for_byte() -> None:
    folder = Path(lua51.__file__).parent / "as_luajit"
    jumps, texts = (f"do {(folder / name).read_text(encoding='utf-8')} " for name in ("jumps.lua", "texts.lua"))
    opened = f"{jumps} end {texts[3:]}".replace("function loadstring(text, name)", "local function unused(text, name)")
    machine = lupa.lua51.LuaRuntime(encoding=None, register_eval=False)
    rewritten = machine.eval(f"(function() local P = {{}} {opened} return rewritten end)()".encode())
    tasks = read_bench()
    programs = {text for task in tasks for text in (task.reference, task.input, *(m.answer for m in task.near_misses))}
    assert len(programs) > 1000
    assert [text for text in programs if rewritten(text.encode(), b"x")[0] != text.encode()] == []


def test_two_programs_in_one_child_get_the_same_random_numbers() -> None:
    first, second = answers(lua51, ["return math.random(), math.random(100)"] * 2)
    assert first == second


@pytest.mark.parametrize(
    ("program", "lacks"),
    [
        ("for i = 1, 3 do\nfor j = 1, 3 do goto done end\nend ::done::", "goto (line 2)"),
        ("for i = 1, 3 do if i == 2 then goto continue end if i == 3 then break end ::continue:: end", "goto (line 1)"),
        ("for i = 1, 3 do goto skip ::skip:: local j = i end", "goto (line 1)"),
        ("local x = 10LL", "a 64-bit integer (line 1)"),
        ("local größe = 1", "a name that is not ASCII (line 1)"),
        ("coroutine.wrap(function() pcall(coroutine.yield) end)()", "a coroutine that yields through pcall"),
        (
            "local t = setmetatable({}, {__index = function() coroutine.yield() end}) coroutine.wrap(function() return t.x end)()",
            "a coroutine that yields",
        ),
        ("local s = ('%a'):format(1)", "string.format's %a"),
        ("loadstring('goto a ::a::')()", "goto"),
        ("pcall(loadstring, 'goto a ::a::')", "goto"),
        ("core.register_on_joinplayer(function() loadstring('goto a ::a::') end)", "goto"),
    ],
)
def test_what_lua_5_1_lacks_is_missing_data_and_neither_a_pass_nor_a_fail(
    judge51: Verifier, program: str, lacks: str
) -> None:
    checks = (TaskCheck("join", 'fire("on_joinplayer", player("x"))'), TaskCheck("never", "expect(true)"))
    verdict = judge51.submit(Job(program, checks)).result(timeout=60)
    assert verdict.outcome is Outcome.HARNESS_ERROR
    assert f"Lua 5.1 judges here and lacks what the program uses: {lacks}" in verdict.detail


@pytest.mark.parametrize(
    ("program", "outcome"),
    [
        ("local s = 'x' local t = s:match('\\d+')", Outcome.SYNTAX_ERROR),
        ("for i = 1, 3 do goto continue ::continue:: x = = 1 end", Outcome.SYNTAX_ERROR),
        ("x = 5 // 2", Outcome.SYNTAX_ERROR),
        ("coroutine.yield()", Outcome.RUNTIME_ERROR),
        ("pcall(coroutine.yield) error('end')", Outcome.RUNTIME_ERROR),
        ("pcall(error, 'attempt to yield across metamethod/C-call boundary') error('end')", Outcome.RUNTIME_ERROR),
        ("assert('\\x41' == 'A' and bit.band(6, 3) == 2)", Outcome.PASSED),
    ],
)
def test_what_both_refuse_or_accept_keeps_its_outcome(judge51: Verifier, program: str, outcome: Outcome) -> None:
    with open_verifier(verifier_settings(vm="luajit21", workers=1)) as judge:
        found = judge.submit(Job(program, (TaskCheck("any", ""),))).result(timeout=60).outcome
    assert judge51.submit(Job(program, (TaskCheck("any", ""),))).result(timeout=60).outcome is found is outcome


@pytest.mark.parametrize("vm", sorted(VMS))
def test_setfenv_changes_the_level_that_it_names(vm: str) -> None:
    program = "local e, error = {core = core}, error setfenv(1, e) y = 5 if e.y ~= 5 then error('the level above') end"
    with open_verifier(verifier_settings(vm=vm, workers=1)) as judge:
        assert judge.submit(Job(program, (TaskCheck("any", ""),))).result(timeout=60).outcome is Outcome.PASSED


def test_an_engine_error_names_the_candidate_s_line(judge51: Verifier) -> None:
    verdict = judge51.submit(Job("\n\nlocal s = string.format('%d', {})", (TaskCheck("any", ""),))).result(timeout=60)
    assert verdict.detail == "init.lua:3: bad argument #2 to 'format' (number expected, got table)"


def test_a_sample_of_the_benchmark_is_judged_as_by_luajit(judge51: Verifier) -> None:
    tasks = read_bench()[::12]
    with open_verifier(verifier_settings(vm="luajit21", workers=1)) as judge:
        by_luajit = judge_known_answers(tasks, judge, CONSTANTS)
    by_lua51 = judge_known_answers(tasks, judge51, CONSTANTS)
    assert [a.verdict.outcome for a in by_luajit] == [a.verdict.outcome for a in by_lua51]
    assert not [str(answer) for answer in by_lua51 if answer.fault]
    assert {answer.verdict.verifier for answer in by_lua51} <= {"recorder/lua51", "extraction"}


@pytest.mark.slow
def test_the_whole_benchmark_is_judged_as_by_luajit(judge51: Verifier) -> None:
    known = judge_known_answers(read_bench(), judge51, CONSTANTS)
    assert len(known) == 1920
    assert not [str(answer) for answer in known if answer.fault]


def test_auto_takes_luajit_and_without_it_lua_5_1_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (choose_vm("auto").name, choose_vm("auto").reason) == ("luajit21", "")
    assert choose_vm("lua51").choice == "requested by name; Lua 5.1, by verifier.vm"
    monkeypatch.setattr(vms, "has_runtime", lambda language: language == "lua51")
    assert choose_vm("auto").reason == "Lua 5.1, since lupa has no LuaJIT 2.1 here"
    with pytest.raises(Refusal, match=r"lupa has no LuaJIT 2\.1 here: lua51"):
        choose_vm("luajit21")
    with open_verifier(verifier_settings(name="auto", engine="", workers=1)) as opened:
        assert opened.name.startswith("engine/") or opened.name.endswith("lua51")
    monkeypatch.setattr(vms, "has_runtime", lambda language: False)
    with pytest.raises(Refusal, match="no program can be judged"):
        choose_vm("auto")
    with pytest.raises(Refusal, match="'lua52' is unknown"):
        choose_vm("lua52")
