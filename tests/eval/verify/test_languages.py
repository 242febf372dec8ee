"""The languages of the sandbox' child: one small protocol, the same limits, in LuaJIT and in Luau."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from eval.sandbox.languages import LIBRARIES, library_folder, module_file
from eval.sandbox.pool import run_once
from eval.sandbox.process import Child, ChildSettings, StartFailed

ROOT = Path(__file__).resolve().parents[3]
# A judge that runs its first argument as a program and returns what it returns.
LUA = "function P.judge(text, ...) local f = assert(loadstring(text)) return f(...) end"
LUAU = "function W.judge(text, ...) return W.loadstring(text)(...) end"
JUDGES = {"lua": {"judge.lua": LUA}, "lua51": {"judge.lua": LUA}, "luau": {"judge.luau": LUAU}}


def child_of(language: str, program: dict[str, str] | None = None, memory_mb: int = 32) -> Child:
    """Return a running child of one language."""
    settings = ChildSettings(program or JUDGES[language], {}, (), 20.0, 0.2, memory_mb, 100, language)
    return Child(settings)


@pytest.fixture(params=sorted(LIBRARIES))
def child(request: pytest.FixtureRequest) -> Iterator[Child]:
    running = child_of(request.param)
    yield running
    running.kill()


@pytest.mark.parametrize("language", sorted(LIBRARIES))
def test_a_child_says_which_runtime_it_is(language: str) -> None:
    running = child_of(language)
    running.kill()
    assert running.runtime.startswith({"lua": "LuaJIT 2.1", "lua51": "Lua 5.1", "luau": "Luau 0."}[language])


def test_texts_go_in_and_texts_and_numbers_come_out(child: Child) -> None:
    ending = run_once(child, ["local a, b = ... return a .. b, 1.5, 7, #a", "h\u00e9", "\ud800"], 1)
    assert ending.kind == "answer", ending.detail
    assert ending.fields[1:] == (1.5, 7, 3)
    assert str(ending.fields[0]).startswith("h\u00e9")


def test_each_job_gets_a_fresh_runtime(child: Child) -> None:
    assert run_once(child, ["kept = 5 return kept"], 1).fields == (5,)
    assert run_once(child, ["return kept == nil and 1 or 2"], 2).fields == (1,)


@pytest.mark.parametrize(
    ("program", "kind"),
    [
        ("while true do end", "timeout"),
        ("while true do pcall(function() while true do end end) end", "timeout"),
        ("local t = {} while true do t[#t + 1] = string.rep('x', 1e6) .. #t end", "memory"),
        ("error('judge')", "lost"),
        ("error({})", "lost"),
        ("return {}", "lost"),
        ("return print", "lost"),
    ],
)
@pytest.mark.parametrize("language", sorted(LIBRARIES))
def test_every_way_to_end_is_told_apart(language: str, program: str, kind: str) -> None:
    running = child_of(language)
    ending = run_once(running, [program], 1)
    running.kill()
    assert ending.kind == kind, ending.detail


@pytest.mark.parametrize("language", sorted(LIBRARIES))
def test_a_judge_that_does_not_compile_is_named_by_its_file(language: str) -> None:
    name = f"broken.{language}"
    with pytest.raises(StartFailed, match=name):
        child_of(language, {**JUDGES[language], name: "x = = 1"})


def test_luau_has_no_way_to_files_bytecode_or_real_globals() -> None:
    names = ("require", "loadstring", "collectgarbage", "gcinfo", "print")
    running = child_of("luau")
    ending = run_once(running, ["return " + ", ".join(f"type({name})" for name in names)], 1)
    frozen = run_once(
        running,
        [
            "local n = 0 for _, t in { string, math, table, _G } do if not pcall(rawset, t, 'x', 1) then n += 1 end end return n"
        ],
        2,
    )
    running.kill()
    assert set(ending.fields) == {"nil"}
    assert frozen.fields[0] >= 3  # type: ignore[operator]


@pytest.mark.parametrize("language", sorted(LIBRARIES))
def test_a_language_s_module_imports_its_library_alone(language: str) -> None:
    folder = library_folder(language)
    assert folder is not None
    script = (
        "import sys, json\nsys.path[:0] = sys.argv[1:3]\nimport importlib\n"
        f"importlib.import_module('eval.sandbox.languages.{language}').version()\n"
        "print('modules', json.dumps(sorted({n.split('.')[0] for n in sys.modules} - set(sys.stdlib_module_names))))\n"
    )
    command = [sys.executable, "-I", "-c", script, str(ROOT), str(folder)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    seen = json.loads(next(line for line in printed.splitlines() if line.startswith("modules"))[len("modules ") :])
    strangers = [name for name in seen if not name.startswith(("_", "distutils", "cython", "Cython"))]
    assert set(strangers) <= {"eval", LIBRARIES[language], "sitecustomize"}


def test_a_child_is_started_with_its_language_s_file_alone() -> None:
    running = child_of("luau")
    words = Path(f"/proc/{running._process.pid}/cmdline").read_bytes().decode().split("\0")
    running.kill()
    assert str(module_file("luau")) in words
    assert str(module_file("lua")) not in words
