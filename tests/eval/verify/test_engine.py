"""The engine verifier: every program in a fresh real server with a world of its own, out of the checker's reach."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from env.refusal import Refusal
from eval.domains.luanti.verify.engine import verifier as engine
from eval.domains.luanti.verify.engine.game import GameFiles
from eval.domains.luanti.verify.engine.installation import Installation
from eval.pipeline.verifier import Job
from eval.records import Outcome, TaskCheck
from eval.sandbox.isolation import Wrapper
from tests.support.engine_claims import NEEDS_ENGINE, NODE, Judge, judging
from tests.support.luanti import open_verifier
from tests.support.runs import wait_until
from tests.support.settings import verifier_settings

pytestmark = list(NEEDS_ENGINE)


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    with judging("engine") as run:
        yield run


def test_a_wrong_value_is_a_wrong_answer(judge: Judge) -> None:
    verdict = judge(
        NODE % "light_source = 3", 'equal(node("mymod:a").light_source, 7, "light_source")', 'node("mymod:a")'
    )
    assert (verdict.outcome, verdict.detail) == (Outcome.WRONG, "c1: light_source: expected 7, got 3")
    assert [check.passed for check in verdict.checks] == [False, True]


def test_a_registration_that_stops_the_engine_is_a_runtime_error(judge: Judge) -> None:
    verdict = judge(
        "table.insert(core.registered_abms, {nodenames = {1}, interval = 1, chance = 1, action = function() end})",
        'fail("reached")',
    )
    assert verdict.outcome is Outcome.RUNTIME_ERROR
    assert verdict.detail == "the engine stopped on what the program registered"


def test_the_verdict_names_engine_version_and_isolation(judge: Judge) -> None:
    verdict = judge("")
    assert verdict.verifier.startswith("engine/")
    assert verdict.verifier.split("/")[1][0].isdigit()
    assert verdict.isolation.startswith("process+rlimits")


def test_each_program_has_a_server_and_a_world_of_its_own(judge: Judge) -> None:
    writes = 'core.settings:set("left", "x") core.get_mod_storage():set_string("left", "x") left = 1'
    looks = 'assert(not core.settings:get("left") and core.get_mod_storage():get_string("left") == "" and left == nil)'
    assert judge(writes).outcome is Outcome.PASSED
    assert judge(looks).outcome is Outcome.PASSED


# ---------------------------------------- only an engine has these
CRAFTS = """
    core.register_node("mymod:ore", {drop = "mymod:lump 3", groups = {cracky = 2}}) core.register_craftitem("mymod:lump", {})
    core.register_tool("mymod:pick", {tool_capabilities = {groupcaps = {cracky = {times = {[2] = 1.5}, uses = 10, maxlevel = 1}}}})
    core.register_craft({output = "mymod:lump 4", recipe = {{"mymod:ore"}}})
    core.register_craft({type = "cooking", output = "mymod:lump", recipe = "mymod:ore", cooktime = 7})
"""
WORLD = {
    "light spreads": (
        NODE % 'paramtype = "light", light_source = 10',
        'world.set(vector(0, 0, 0), "mymod:a") equal(light_at(vector(0, 0, 0)), 10, "at it") equal(light_at(vector(3, 0, 0)), 7, "beside") equal(light_at(vector(12, 0, 0)), 0, "far")',
    ),
    "drops of a dug node": (CRAFTS, 'world.set(vector(0, 0, 0), "mymod:ore") equal(dig_drops(vector(0, 0, 0), "mymod:pick"), {"mymod:lump 3"}, "drops")'),
    "craft results": (CRAFTS, 'equal(craft_result({"mymod:ore"}, 1), "mymod:lump 4", "grid") local item, s = craft_result({"mymod:ore"}, 1, "cooking") equal({item, s}, {"mymod:lump", 7}, "oven")'),
    "dig times": (CRAFTS, 'equal(dig_time("mymod:ore", "mymod:pick"), 1.5, "pick") equal(dig_time("mymod:ore", ""), nil, "hand")'),
    "chat commands": (
        'core.register_chatcommand("add", {privs = {fly = true}, func = function(_, text) return true, "sum " .. text end})',
        'expect(say("bob", "/add 1")[1] ~= "sum 1", "without the privilege") run(global("core").set_player_privs, "bob", {fly = true}) equal(say("bob", "/add 1"), {"sum 1"}, "told")',
    ),
    "blocks are modified by the running server": (
        NODE % "" + 'core.register_node("mymod:b", {}) core.register_abm({label = "grow", nodenames = {"mymod:a"}, interval = 1, chance = 1, action = function(pos) core.set_node(pos, {name = "mymod:b"}) end})',
        'local p = vector(1, 2, 3) world.set(p, "mymod:a") keep_active(p) steps(1.5) equal(world.get(p), "mymod:b", "node")',
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WORLD)
def test_a_running_world_answers(judge: Judge, name: str) -> None:
    verdict = judge(*WORLD[name], needs="world")
    assert verdict.outcome is Outcome.PASSED, verdict.detail


def test_an_error_in_the_running_world_is_a_runtime_error(judge: Judge) -> None:
    code = (
        NODE % ""
        + 'core.register_abm({label = "x", nodenames = {"mymod:a"}, interval = 1, chance = 1, action = function() error("boo") end})'
    )
    verdict = judge(
        code, 'world.set(vector(0, 0, 0), "mymod:a") keep_active(vector(0, 0, 0)) steps(1.5)', needs="world"
    )
    assert verdict.outcome is Outcome.RUNTIME_ERROR


@pytest.mark.parametrize("name", ["recorder", "builtin"])
def test_a_world_check_is_refused_by_verifiers_without_an_engine(name: str) -> None:
    check = TaskCheck("light", "light_at(vector(0, 0, 0))", "world")
    with open_verifier(verifier_settings(name=name, workers=1)) as opened:
        assert not opened.supports(check)
        with pytest.raises(Refusal, match="running world"):
            opened.submit(Job("", (check,)))


def test_no_check_runs_in_a_server_whose_first_step_failed() -> None:
    late = Job('core.after(0, function() core.register_tool("mymod:a", {}) end)', (TaskCheck("c", 'fail("reached")'),))
    with open_verifier(verifier_settings(name="engine", workers=4)) as opened:
        verdicts = [future.result(timeout=120) for future in [opened.submit(late) for _ in range(40)]]
    assert {(v.outcome, v.detail) for v in verdicts} == {
        (Outcome.RUNTIME_ERROR, "the engine stopped on what the program registered")
    }


# ---------------------------------------- out of the candidate's reach
@pytest.mark.parametrize(
    "code",
    [
        "for _, f in ipairs(core.registered_globalsteps) do pcall(f, 1) end core.register_on_mods_loaded(function() for _, f in ipairs(core.registered_globalsteps) do pcall(f, 1) end end)",
        "for _, f in ipairs(core.registered_on_mods_loaded) do pcall(f) end",
        "luagate_candidate()",
        "core.request_insecure_environment().os.exit(0)",
        "core.settings:set('secure.trusted_mods', 'mymod')",
        "assert(core.safe_file_write('/proc/self/fd/3', 'x'))",
        "getfenv(core.registered_globalsteps[1]).core.get_node = nil error('end')",
        "core.request_shutdown('', false, 0) core.register_on_shutdown(function() while true do end end)",
    ],
)  # fmt: skip
def test_the_checker_is_out_of_reach(judge: Judge, code: str) -> None:
    verdict = judge(code, 'fail("reached")')
    assert verdict.outcome in (Outcome.WRONG, Outcome.RUNTIME_ERROR), verdict.detail
    assert verdict.outcome is Outcome.RUNTIME_ERROR or verdict.detail == "c1: reached"


@pytest.fixture
def folders(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The game folders that verifiers opened by this test make; other tests run beside it."""
    made: list[Path] = []

    class Noted(GameFiles):
        def __init__(self, installed: Installation) -> None:
            super().__init__(installed)
            made.append(self.folder)

    monkeypatch.setattr(engine, "GameFiles", Noted)
    return made


def processes_of(folder: Path) -> set[str]:
    """Return the ids of the processes that were started with ``folder``: servers, or what contains them."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if str(folder).encode() in entry.read_bytes():
                found.add(entry.parent.name)
    return found


def test_closing_leaves_no_server_and_no_file(folders: list[Path]) -> None:
    with open_verifier(verifier_settings(name="engine", workers=2)) as opened:
        endless = opened.submit(Job("while true do end"))
        [folder] = folders
        wait_until(lambda: bool(processes_of(folder)), "its server runs")
        assert folder.is_dir()
    assert endless.done()
    assert not folder.exists()
    wait_until(lambda: not processes_of(folder), "its server has ended")


# ---------------------------------------- without bubblewrap, without an engine
def test_without_bubblewrap_it_judges_the_same_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "container", lambda *_: Wrapper((), "bubblewrap is not installed"))
    with judging("engine", memory_mb=16) as judge:
        passed = judge(NODE % "", 'node("mymod:a")')
        assert (passed.outcome, passed.isolation) == (Outcome.PASSED, "process+rlimits")
        assert judge("while true do end").outcome is Outcome.TIMEOUT
        assert judge("local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(100) .. i end").outcome is Outcome.MEMORY


def test_servers_without_a_network_of_their_own_do_not_collide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "container", lambda *_: Wrapper((), "bubblewrap is not installed"))
    with open_verifier(verifier_settings(name="engine", workers=6)) as opened:
        futures = [opened.submit(Job("")) for _ in range(36)]
        assert {future.result(timeout=120).outcome for future in futures} == {Outcome.PASSED}


def test_a_container_in_which_no_server_starts_is_left_out_and_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bwrap = tmp_path / "bwrap"
    bwrap.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    bwrap.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with open_verifier(verifier_settings(name="engine", workers=1)) as opened:
        assert opened.submit(Job("")).result(timeout=120).isolation == "process+rlimits"
        assert "bubblewrap does not work here (" in opened.isolation_reason
        assert "No permissions to create new namespace" in opened.isolation_reason


def test_a_server_that_loads_another_engines_lua_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Mixed(GameFiles):
        def __init__(self, installed: Installation) -> None:
            super().__init__(installed)
            self.builtin = str(tmp_path)

    monkeypatch.setattr(engine, "GameFiles", Mixed)
    with pytest.raises(Refusal, match=f"which is another engine's Lua than its own in {tmp_path}"):
        open_verifier(verifier_settings(name="engine", workers=1))


def test_too_weak_an_isolation_is_refused(monkeypatch: pytest.MonkeyPatch, folders: list[Path]) -> None:
    monkeypatch.setattr(engine, "container", lambda *_: Wrapper((), "bubblewrap is not installed"))
    with pytest.raises(Refusal, match="bubblewrap is not installed"):
        open_verifier(verifier_settings(name="engine", workers=1, require_isolation="bwrap"))
    assert not [folder for folder in folders if folder.exists()]


def test_an_engine_that_does_not_start_is_refused_with_its_last_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "server"
    broken.write_text("#!/bin/sh\necho 'ERROR: no such game' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(engine, "find_installation", lambda _: Installation(str(broken), ""))
    with pytest.raises(Refusal, match="does not start: FrameError end of file ERROR: no such game"):
        open_verifier(verifier_settings(name="engine", workers=1))
