"""The second implementation of Luau, under Node: the same small protocol, limits and verdicts as pluau's."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from env.refusal import Refusal
from eval.datasets.bench_files import read_bench
from eval.domains import domain_named, open_verifier
from eval.domains.roblox.verify import machines
from eval.pipeline.verifier import Job
from eval.records import Outcome, Task, TaskCheck, Verdict
from eval.sandbox import watching
from eval.sandbox.isolation import Wrapper
from eval.sandbox.pool import run_once
from eval.sandbox.process import Child, ChildSettings, StartFailed
from eval.sandbox.web import installation, launch
from tests.support.luau_web import needs_luau_web
from tests.support.settings import verifier_settings

# limits that are waited for, and hundreds of programs
pytestmark = pytest.mark.heavy

ROOT = Path(__file__).resolve().parents[3]
UNWRAPPED = Wrapper((), "not wrapped in this test")
# A judge that runs its first argument as a program and returns what it returns.
JUDGE = {
    "judge.luau": "W.built = (W.built or 0) + 1\nfunction W.judge(text, ...) return W.loadstring(text, '=x')(...) end"
}
LATER = {"later.luau": "W.found = 11"}


def child_of(program: dict[str, str] = JUDGE, memory_mb: int = 32, cpu_s: float = 0.5) -> Child:
    """Return a running child, its process not inside bubblewrap: signals and /proc are those of Node."""
    settings = ChildSettings(program, LATER, (), 20.0, cpu_s, memory_mb, 100, "luau_web")
    return Child(settings, UNWRAPPED)


@pytest.fixture(scope="module")
def child() -> Iterator[Child]:
    running = child_of()
    yield running
    running.kill()


def values(child: Child, *texts: str) -> tuple[str | float, ...]:
    ending = run_once(child, list(texts), 1)
    assert ending.kind == "answer", ending
    return ending.fields


@needs_luau_web
def test_texts_go_in_and_texts_and_numbers_come_out(child: Child) -> None:
    assert child.runtime == "luau-web 1.4.0"
    assert values(child, "local a, b = ... return a .. '!', 1.5, 1/3, #a, #b", "h\u00e9", "\ud800\U0001f600") == (
        "h\u00e9!", 1.5, 1 / 3, 3, 7,
    )  # fmt: skip


@needs_luau_web
def test_every_byte_arrives_as_it_was_sent(child: Child) -> None:
    every = "".join(map(chr, range(128))) + '"\\\r\n'
    assert values(child, "return ...", every) == (every,)
    bytes_of = "local out = {} for at = 1, #(...) do out[at] = string.byte((...), at) end return table.concat(out, ' ')"
    assert values(child, bytes_of, "\u00ff\ud9ff") == ("195 191 237 167 191",)


@needs_luau_web
def test_each_job_gets_a_fresh_vm(child: Child) -> None:
    spoil = (
        "kept = 5 getfenv().type = nil local m = getmetatable(vector.one) m.__index = function() return 1 end return 1"
    )
    assert values(child, spoil) == (1,)
    assert values(child, "return kept == nil and 1 or 2, type(type), getmetatable(vector.one).__index == nil and 1 or 2") == (
        1, "function", 1,
    )  # fmt: skip


@needs_luau_web
def test_equal_jobs_give_equal_answers_down_to_addresses_and_chance(child: Child) -> None:
    told = "local t = {} return tostring(t), math.random(), tostring(print), tostring(newproxy())"
    assert values(child, told) == values(child, told)


@needs_luau_web
def test_memory_that_a_program_took_is_given_back(child: Child) -> None:
    before = _resident_mb(child)
    assert values(child, "local b = buffer.create(20 * 2^20) buffer.fill(b, 0, 1) return 1") == (1,)
    for _ in range(30):
        values(child, "local t = {} for i = 1, 1e4 do t[i] = {i} end return 1")
    assert _resident_mb(child) < before + 60


def _resident_mb(child: Child) -> float:
    text = Path(f"/proc/{child._process.pid}/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0]) / 1024


@needs_luau_web
@pytest.mark.parametrize(
    ("program", "kind"),
    [
        ("while true do end", "timeout"),
        ("while true do pcall(function() while true do end end) end", "timeout"),
        ("local t = {} while true do t[#t + 1] = ('x'):rep(1e6) .. #t end", "memory"),
        ("return (function() local t = {} while true do t[#t + 1] = buffer.create(2^20) end end)()", "memory"),
        ("error('judge')", "lost"),
        ("error({})", "lost"),
        ("return {}", "lost"),
        ("return print", "lost"),
    ],
)
def test_every_way_to_end_is_told_apart(program: str, kind: str) -> None:
    running = child_of()
    ending = run_once(running, [program], 1)
    running.kill()
    assert ending.kind == kind, ending.detail
    assert "more than" in ending.detail or kind == "lost"


@needs_luau_web
def test_errors_are_caught_inside_the_vm(child: Child) -> None:
    caught = (
        "local ok, why = pcall(error, 'a', 0) local k, w = coroutine.resume(coroutine.create(error), 'b') return why, w"
    )
    assert values(child, caught) == ("a", "b")
    assert values(child, "local ok, why = pcall(W_is_not_here) return why") == ("attempt to call a nil value",)


@needs_luau_web
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = = 1", "x:1: Expected identifier when parsing expression, got '='"),
        # these the compiler throws, and this build of it cannot catch them
        ("\nx = " + "(" * 5000, "x:2: Exceeded allowed recursion depth; simplify your expression"),
        ("f(" + ",".join(["f()"] * 300) + ")", "x:1: Out of registers when trying to allocate"),
    ],
    ids=["one symbol too many", "too deep", "too many registers"],
)
def test_a_text_that_does_not_compile_raises_the_compiler_s_message(child: Child, text: str, message: str) -> None:
    program = {"judge.luau": "function W.judge(text) local ok, why = pcall(W.loadstring, text, '=x') return why, 7 end"}
    running = child_of(program)
    ending = run_once(running, [text], 1)
    again = run_once(running, ["x = = 1"], 2)
    running.kill()
    assert str(ending.fields[0]).startswith(message), ending
    assert again.kind == "answer"


@needs_luau_web
def test_a_judge_that_does_not_compile_is_named_by_its_file() -> None:
    with pytest.raises(StartFailed, match=r"broken\.luau: .*Expected identifier"):
        child_of({**JUDGE, "broken.luau": "x = = 1"})


@needs_luau_web
def test_the_judge_is_built_once_and_its_other_files_when_needed() -> None:
    judge = {
        "judge.luau": "W.built = (W.built or 0) + 1\nfunction W.judge() local f = W.found W.later.later(W) return W.built, f or 0, W.found end"
    }
    running = child_of(judge)
    found = [run_once(running, [], job).fields for job in (1, 2)]
    running.kill()
    assert found == [(1, 0, 11)] * 2


@needs_luau_web
def test_no_way_leads_to_files_bytecode_or_real_globals(child: Child) -> None:
    names = ("require", "loadstring", "collectgarbage", "gcinfo", "print", "luagate_compile", "W", "io")
    assert set(values(child, "return " + ", ".join(f"type({name})" for name in names))) == {"nil"}
    frozen = "local n = 0 for _, t in { string, math, table, _G } do if not pcall(rawset, t, 'x', 1) then n += 1 end end return n"
    assert values(child, frozen) == (4,)


@needs_luau_web
@pytest.mark.skipif(sys.platform != "linux", reason="limits are read from /proc")
def test_the_process_is_limited_and_filtered_from_outside_too(child: Child) -> None:
    process = Path(f"/proc/{child._process.pid}")
    limits = {line[:26].strip(): line[26:].split()[0] for line in (process / "limits").read_text().splitlines()[1:]}
    assert limits["Max file size"] == "0"
    assert limits["Max core file size"] == "0"
    assert limits["Max open files"] == str(launch.OPEN_FILES)
    assert int(limits["Max data size"]) == launch.NODE_BYTES + 2 * (32 << 20)
    if "seccomp" in child.isolation:
        status = (process / "status").read_text()
        assert "Seccomp:\t2" in status
        assert "NoNewPrivs:\t1" in status
    if "netns" in child.isolation:
        assert os.readlink(process / "ns/net") != os.readlink("/proc/self/ns/net")


@needs_luau_web
def test_a_supervisor_that_dies_before_node_has_started_lets_nothing_start() -> None:
    script = (
        "import os, sys\nsys.path.insert(0, sys.argv[1])\nfrom eval.sandbox import limits\n"
        "from eval.sandbox.web.late_filter import Gate\ngate = Gate()\ngate._let_pass = lambda: None\ngate.supervise()\n"
        "limits.forbid_new_privileges()\nwhy = gate.install()\nif why: print('no filter', why)\n"
        "try:\n    os.execv('/bin/sh', ['sh', '-c', 'echo started'])\nexcept OSError as error:\n    print(error.errno)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", script, str(ROOT)], capture_output=True, text=True, timeout=60, check=False
    )
    if "no filter" in told.stdout:
        pytest.skip(told.stdout)
    assert "started" not in told.stdout
    assert "socket" in told.stderr or told.stdout.strip() == "38"


@needs_luau_web
@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ends it with its parent on Linux")
def test_it_ends_with_its_parent() -> None:
    script = (
        "import sys, time\nsys.path.insert(0, sys.argv[1])\nfrom tests.eval.verify.test_luau_web import child_of\n"
        "print(child_of()._process.pid, flush=True)\ntime.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script, str(ROOT)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    process = Path(f"/proc/{parent.stdout.readline().strip()}")
    assert process.exists()
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 30
    while process.exists() and "\nState:\tZ" not in _read(process / "status"):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return "\nState:\tZ"


@needs_luau_web
def test_a_child_that_the_machine_starved_is_missing_data_and_not_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "PATIENCE", 1)
    settings = ChildSettings(JUDGE, {}, (), 1.0, 0.9, 32, 100, "luau_web")
    running = Child(settings, UNWRAPPED)
    os.kill(running._process.pid, signal.SIGSTOP)
    ending = run_once(running, ["while true do end"], 1)
    assert (ending.kind, "of CPU" in ending.detail) == ("lost", True)


@needs_luau_web
def test_a_package_of_other_bytes_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = installation.required()
    folder = tmp_path / "node_modules" / installation.PACKAGE
    shutil.copytree(found.package, folder)
    file = folder / "src/lib/Luau.Web.Asyncify.js"
    file.write_bytes(file.read_bytes() + b"\n")
    monkeypatch.setattr(installation, "FOLDER", tmp_path)
    installation.find_installation.cache_clear()
    try:
        with pytest.raises(StartFailed, match="has the checksum"):
            child_of()
    finally:
        installation.find_installation.cache_clear()


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in which the package is looked for, beside a Node 20."""
    monkeypatch.setattr(installation, "FOLDER", tmp_path)
    monkeypatch.setattr(installation, "_node", lambda: "/usr/bin/node")
    monkeypatch.setattr(installation, "_version_of", lambda _node: "20.1.0")
    installation.find_installation.cache_clear()
    yield tmp_path
    installation.find_installation.cache_clear()


def _put(folder: Path, version: str) -> None:
    package = folder / "node_modules" / installation.PACKAGE
    package.mkdir(parents=True)
    (package / "package.json").write_text(json.dumps({"version": version}), encoding="utf-8")


def test_without_either_vm_the_refusal_names_both_and_how_to_install_them(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machines, "library_folder", lambda _language: None)
    with pytest.raises(Refusal) as refused:
        open_verifier(domain_named("roblox"), verifier_settings(name="world"))
    told = str(refused.value)
    assert "pluau is not installed, and luau-web is not installed in" in told
    assert "luagate[roblox]" in told
    assert "make setup-luau-web" in told


def test_another_version_of_the_package_and_an_old_node_are_refused(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _put(elsewhere, "1.3.0")
    with pytest.raises(Refusal, match=r"luau-web 1\.3\.0 is installed in .*, and 1\.4\.0 is the one that judges"):
        open_verifier(domain_named("roblox"), verifier_settings(name="world_web"))
    monkeypatch.setattr(installation, "_version_of", lambda _node: "16.20.2")
    installation.find_installation.cache_clear()
    with pytest.raises(Refusal, match=r"is Node 16\.20\.2, and 18 or newer is needed"):
        open_verifier(domain_named("roblox"), verifier_settings(name="world_web"))


def test_pluau_judges_where_it_is_installed_whatever_else_is(elsewhere: Path) -> None:
    _put(elsewhere, installation.VERSION)
    assert machines.chosen() == (machines.PLUAU, machines.REQUESTED)


def test_luau_web_judges_where_pluau_is_not_and_says_why(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _put(elsewhere, installation.VERSION)
    monkeypatch.setattr(machines, "library_folder", lambda _language: None)
    language, why = machines.chosen()
    assert (language, why) == ("luau_web", "pluau is not installed: luau-web 1.4.0 under Node 20.1.0 judges")


def test_the_lock_pins_the_version_that_the_code_wants() -> None:
    lock = json.loads((ROOT / "env/locks/luau-web/package-lock.json").read_text(encoding="utf-8"))
    package = lock["packages"]["node_modules/luau-web"]
    assert package["version"] == installation.VERSION
    assert package["integrity"].startswith("sha512-")
    wanted = json.loads((ROOT / "env/locks/luau-web/package.json").read_text(encoding="utf-8"))
    assert wanted["dependencies"] == {installation.PACKAGE: installation.VERSION}


@needs_luau_web
def test_a_verdict_names_luau_web_and_a_module_of_calls_is_judged_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machines, "library_folder", lambda _language: None)
    with open_verifier(domain_named("roblox"), verifier_settings(name="world", workers=1)) as verifier:
        assert "pluau is not installed" in verifier.choice
        check = TaskCheck("lamp", 'equal(get("Workspace/Lamp").Name, "Lamp", "Name")')
        right = verifier.submit(Job('local p = Instance.new("Part", workspace) p.Name = "Lamp"', (check,)))
        wrong = verifier.submit(Job("workspace.Lamp.Name = 1", (check,)))
        found = right.result(timeout=60), wrong.result(timeout=60)
    assert [verdict.outcome for verdict in found] == [Outcome.PASSED, Outcome.RUNTIME_ERROR]
    assert {verdict.verifier for verdict in found} == {"luau-web/1.4.0"}
    assert found[1].detail == 'ServerScriptService.Script:1: Lamp is not a valid member of Workspace "Workspace"'


def _tasks() -> list[Task]:
    domain = domain_named("roblox")
    folder = Path(import_module(domain.datasets["robloxbench"].tasks).__path__[0])
    return list(read_bench("robloxbench", folder, domain.families, domain.mod_name, import_module(domain.worlds)))


def _verdicts(name: str, tasks: list[Task]) -> list[tuple[object, ...]]:
    with open_verifier(domain_named("roblox"), verifier_settings(name=name, workers=1)) as verifier:
        futures = [
            verifier.submit(Job(answer, task.checks, "", task.worlds))
            for task in tasks
            for answer in (task.reference, *(miss.answer for miss in task.near_misses[:1]))
            if task.answer != "diff"
        ]
        return [_compared(future.result(timeout=120)) for future in futures]


def _compared(verdict: Verdict) -> tuple[object, ...]:
    return verdict.outcome, verdict.detail, verdict.checks, verdict.registered, verdict.api_calls, verdict.findings


@needs_luau_web
def test_both_implementations_give_equal_verdicts_in_every_part() -> None:
    tasks = _tasks()[::6]
    first = _verdicts("world", tasks)
    assert first == _verdicts("world_web", tasks)
    assert len(first) >= 80
