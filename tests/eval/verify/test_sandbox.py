"""The pool: limits, lost children, isolation, and what a child may see."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from env.refusal import Refusal
from eval.domains.luanti.verify.recorder import Recorder
from eval.pipeline.verifier import Job, unsupported
from eval.records import Outcome, TaskCheck
from eval.sandbox import pool as pool_module
from eval.sandbox import process as process_module
from eval.sandbox import watching
from eval.sandbox.isolation import Wrapper, insist
from eval.sandbox.wire import FrameError, FrameTimeout, read_frame, write_frame
from tests.support.luanti import open_verifier
from tests.support.settings import verifier_settings

# limits that are waited for, and hundreds of programs
pytestmark = pytest.mark.heavy

ROOT = Path(__file__).resolve().parents[3]
GOOD = Job('core.register_node("mymod:a", {})', (TaskCheck("node", 'node("mymod:a")'),))
LOOP = Job("while true do end")


@pytest.fixture(autouse=True)
def _no_wrapper(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Signals must reach the child itself and not bubblewrap around it."""
    if "debian" not in request.keywords:
        monkeypatch.setattr(process_module, "choose_wrapper", lambda language: Wrapper((), "not wrapped in this test"))


def child_pid(verifier: Recorder) -> int:
    """Return the process id of the one live child."""
    (child,) = verifier._pool._children
    return child._process.pid


def children_of_this_process() -> set[str]:
    """Return the process ids of the children of every thread of this process."""
    return {pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()}


def wait_for_child(verifier: Recorder) -> int:
    deadline = time.monotonic() + 20
    while not verifier._pool._children:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return child_pid(verifier)


def test_a_loop_is_a_timeout_by_cpu_time_and_not_a_wrong_answer() -> None:
    with open_verifier(verifier_settings(workers=1, cpu_s=0.3)) as verifier:
        verdict = verifier.submit(Job("while true do end", (TaskCheck("x", 'fail("x")'),))).result(timeout=60)
    assert verdict.outcome is Outcome.TIMEOUT
    assert verdict.detail == "more than 0.3 s of CPU time"
    assert [check.passed for check in verdict.checks] == [None]


def test_a_program_that_got_no_cpu_time_is_missing_data_and_not_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "RETRIES", 0)
    monkeypatch.setattr(watching, "PATIENCE", 0.1)  # of 20 s
    with Recorder(verifier_settings(workers=1, cpu_s=20.0, timeout_s=0.2)) as verifier:
        assert verifier.submit(GOOD).result(timeout=30).outcome is Outcome.PASSED
        future = verifier.submit(LOOP)
        os.kill(wait_for_child(verifier), signal.SIGSTOP)
        verdict = future.result(timeout=30)
    assert verdict.outcome is Outcome.HARNESS_ERROR
    assert "s of CPU in 2" in verdict.detail


def test_a_child_killed_from_outside_costs_a_retry_and_no_result() -> None:
    with Recorder(verifier_settings(workers=1, cpu_s=1.0)) as verifier:
        verifier.submit(GOOD).result(timeout=30)
        os.kill(child_pid(verifier), signal.SIGKILL)
        verdict = verifier.submit(GOOD).result(timeout=30)
    assert verdict.outcome is Outcome.PASSED


def test_a_child_killed_again_and_again_is_a_harness_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "RETRIES", 0)
    with Recorder(verifier_settings(workers=1)) as verifier:
        verifier.submit(GOOD).result(timeout=30)
        os.kill(child_pid(verifier), signal.SIGKILL)
        verdict = verifier.submit(GOOD).result(timeout=30)
    assert verdict.outcome is Outcome.HARNESS_ERROR
    assert "SIGKILL from outside" in verdict.detail


def test_a_child_that_dies_of_a_fault_is_crashed(monkeypatch: pytest.MonkeyPatch) -> None:
    with Recorder(verifier_settings(workers=1, cpu_s=30.0)) as verifier:
        verifier.submit(GOOD).result(timeout=30)
        future = verifier.submit(LOOP)
        time.sleep(0.2)
        os.kill(wait_for_child(verifier), signal.SIGSEGV)
        verdict = future.result(timeout=30)
    assert verdict.outcome is Outcome.CRASHED
    assert verdict.detail == "its process died of SIGSEGV"


@pytest.mark.parametrize(
    "fields",
    [
        ["PASSED", "", 1, "failed", "", 0, 0, 0],
        ["PASSED", "", 0, 0, 0, 0],
        ["PASSED", "", 1],
        ["SUCCESS", "", 1, "passed", "", 0, 0, 0],
        ["WRONG", "", 1, "passed", "", 0, 0, 0],
        [1, "", 1, "passed", "", 0, 0, 0],
        ["PASSED", "", 1, "maybe", "", 0, 0, 0],
        ["PASSED", "", 1, "passed", "", 0, 0, 1, "a shape of one line"],
        ["PASSED", "", 1, "passed", "", 0, 0, 1, "no such kind\nname\nsfield\tvalue"],
        [],
    ],
)
def test_an_answer_that_contradicts_itself_is_a_harness_error(fields: list[str | float]) -> None:
    with Recorder(verifier_settings(workers=1)) as verifier:
        verdict = verifier._verdict(GOOD, pool_module.Ending("answer", tuple(fields)))
    assert verdict.outcome is Outcome.HARNESS_ERROR


def test_memory_is_memory_and_the_child_is_replaced() -> None:
    with Recorder(verifier_settings(workers=1, cpu_s=20.0, timeout_s=60.0, memory_mb=16)) as verifier:
        verifier.submit(GOOD).result(timeout=30)
        full = verifier.submit(Job("local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1000) .. i end")).result(timeout=60)
        after = verifier.submit(GOOD).result(timeout=30)
    assert full.outcome is Outcome.MEMORY
    assert after.outcome is Outcome.PASSED


def test_a_child_is_replaced_after_its_share_of_programs() -> None:
    with Recorder(verifier_settings(workers=1, recycle_after=3)) as verifier:
        pids = set()
        for _ in range(7):
            assert verifier.submit(GOOD).result(timeout=30).outcome is Outcome.PASSED
            pids |= {child._process.pid for child in verifier._pool._children}
    assert len(pids) >= 2


def test_results_do_not_depend_on_the_programs_before(tmp_path: Path) -> None:
    leak = Job("leaked = 1 string.leaked = 1 core.leaked = 1 core.register_node('mymod:leak', {})")
    look = Job(
        "assert(leaked == nil and string.leaked == nil and core.leaked == nil)",
        (TaskCheck("empty", 'equal(#all("node"), 0, "nodes")'),),
    )
    with open_verifier(verifier_settings(workers=1)) as verifier:
        futures = [verifier.submit(job) for job in (leak, look, leak, look)]
        outcomes = [future.result(timeout=30).outcome for future in futures]
    assert outcomes == [Outcome.PASSED] * 4


def test_closing_cancels_what_waits_and_ends_what_runs() -> None:
    verifier = open_verifier(verifier_settings(workers=1, cpu_s=60.0, timeout_s=60.0))
    futures = [verifier.submit(LOOP) for _ in range(5)]
    time.sleep(0.5)
    verifier.close()
    verifier.close()
    # one that was waited for would be a TIMEOUT
    assert all(future.cancelled() or future.result().outcome is Outcome.HARNESS_ERROR for future in futures)
    assert sum(future.cancelled() for future in futures) >= 4
    with pytest.raises(RuntimeError):
        verifier.submit(GOOD)


def test_children_die_with_their_parent(tmp_path: Path) -> None:
    script = (
        "import sys, time; sys.path.insert(0, sys.argv[1])\n"
        "from eval.pipeline.verifier import Job\n"
        "from tests.support.luanti import open_verifier\n"
        "from tests.support.settings import verifier_settings\n"
        "v = open_verifier(verifier_settings(workers=1, cpu_s=60.0, timeout_s=60.0))\n"
        "v.submit(Job('')).result()\n"
        "print([c._process.pid for c in v._pool._children][0], flush=True)\n"
        "v.submit(Job('while true do end')); time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script, str(ROOT)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    time.sleep(0.3)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().split(")")[1][:3]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_child_sees_a_scrubbed_environment_and_a_folder_nothing_can_be_made_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "x")
    with Recorder(verifier_settings(workers=1)) as verifier:
        verifier.submit(GOOD).result(timeout=30)
        pid = child_pid(verifier)
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        folder = os.readlink(f"/proc/{pid}/cwd")
        limits = Path(f"/proc/{pid}/limits").read_text()
    assert b"SECRET_TOKEN" not in environment
    assert folder.endswith("(deleted)")
    assert [line.split()[-3] for line in limits.splitlines() if line.startswith(("Max file size", "Max core"))] == [
        "0",
        "0",
    ]


def test_the_child_imports_nothing_but_lupa_the_standard_library_and_its_folder() -> None:
    script = (
        "import runpy, sys, json\n"
        "runpy.run_path(sys.argv[1], run_name='looked_at')\n"
        "print(json.dumps(sorted({name.split('.')[0] for name in sys.modules} - set(sys.stdlib_module_names))))\n"
    )
    command = [sys.executable, "-I", "-c", script, str(ROOT / "eval/sandbox/child.py")]
    seen = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    strangers = [name for name in seen if not name.startswith("_") and name not in ("eval", "lupa", "sitecustomize")]
    assert [name for name in strangers if not name.startswith(("distutils", "cython", "Cython"))] == []


def test_isolation_that_is_requested_and_missing_is_refused() -> None:
    with pytest.raises(Refusal, match=r"bwrap.*is required.*process\+rlimits\+seccomp: bubblewrap is not installed"):
        insist("seccomp+bwrap", "process+rlimits+seccomp", "bubblewrap is not installed")
    with pytest.raises(Refusal, match='no isolation "jail"'):
        insist("jail", "process+rlimits", "")
    insist("seccomp", "process+rlimits+seccomp", "")
    insist("", "process+rlimits", "")


def test_the_verdict_names_the_isolation_that_was_used() -> None:
    with open_verifier(verifier_settings(workers=1)) as verifier:
        verdict = verifier.submit(GOOD).result(timeout=30)
        assert verdict.isolation == verifier.isolation
        assert verifier.isolation.startswith("process+rlimits")
        assert verdict.verifier == verifier.name == "recorder/luajit21"


@pytest.mark.debian
@pytest.mark.skipif(shutil.which("bwrap") is None, reason="the package bubblewrap is not installed")
def test_bubblewrap_is_used_where_it_works_and_every_outcome_stays_the_same() -> None:
    wrapper = process_module.choose_wrapper()
    if not wrapper.prefix:
        pytest.skip(wrapper.reason)
    before = children_of_this_process()
    with Recorder(verifier_settings(workers=1, cpu_s=0.5, require_isolation="bwrap")) as verifier:
        verdicts = [verifier.submit(job).result(timeout=60) for job in (GOOD, LOOP, GOOD, Job("x ="))]
    assert [verdict.outcome for verdict in verdicts] == [
        Outcome.PASSED, Outcome.TIMEOUT, Outcome.PASSED, Outcome.SYNTAX_ERROR,
    ]  # fmt: skip
    assert "bwrap" in verdicts[0].isolation.split("+")
    assert children_of_this_process() <= before


JUDGE_ONE = (
    "import sys; sys.path.insert(0, sys.argv[1])\n"
    "from eval.domains import open_verifier\n"
    "from eval.domains.luanti.domain import DOMAIN\n"
    "from eval.pipeline.verifier import Job, VerifierSettings\n"
    "limits = VerifierSettings('recorder', '', 1, 10.0, 2.0, 64, 64, 1024, 2000, 'auto', sys.argv[2])\n"
    "with open_verifier(DOMAIN, limits) as v:\n"
    "    verdict = v.submit(Job('')).result()\n"
    "print(verdict.outcome, verdict.isolation, v.isolation_reason, sep='|')\n"
)


def judged_elsewhere(root: Path, required: str, **environment: str) -> list[str]:
    """Return outcome, isolation and its reason of a program that the checkout under ``root`` judges."""
    command = [sys.executable, "-c", JUDGE_ONE, str(root), required]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().split("|")


@pytest.mark.debian
@pytest.mark.skipif(shutil.which("bwrap") is None, reason="the package bubblewrap is not installed")
@pytest.mark.parametrize("place", ["/tmp", "/dev/shm"])
def test_a_checkout_under_a_folder_that_the_container_replaces_is_not_hidden(place: str) -> None:
    if not process_module.choose_wrapper().prefix:
        pytest.skip(process_module.choose_wrapper().reason)
    with tempfile.TemporaryDirectory(dir=place) as checkout:
        for part in ("env", "eval"):
            shutil.copytree(ROOT / part, Path(checkout) / part)
        outcome, isolation, _ = judged_elsewhere(Path(checkout), "bwrap")
    assert (outcome, isolation.split("+")[2]) == ("PASSED", "bwrap")


def test_a_container_in_which_no_child_starts_is_left_out_and_said(tmp_path: Path) -> None:
    # It runs what only imports, as a trial of another program than the child would; the child itself dies in it.
    bwrap = tmp_path / "bwrap"
    bwrap.write_text('#!/bin/sh\ncase "$*" in *" -c "*) exit 0;; esac\necho "no such file: child.py" >&2\nexit 1\n')
    bwrap.chmod(0o755)
    outcome, isolation, reason = judged_elsewhere(ROOT, "", PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert outcome == "PASSED"
    assert "bwrap" not in isolation.split("+")
    assert "bubblewrap does not work here (" in reason
    assert "no such file: child.py" in reason


def test_a_child_finds_lupa_where_its_parent_found_it(tmp_path: Path) -> None:
    import lupa

    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    libraries = str(Path(lupa.__file__).parents[1])
    command = [str(bare / "bin" / "python"), "-c", JUDGE_ONE, str(ROOT), ""]
    environment = {**os.environ, "PYTHONPATH": libraries}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.stdout.startswith("PASSED|"), done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="seccomp is Linux's")
def test_the_filter_refuses_files_sockets_and_processes() -> None:
    script = (
        "import os, socket, sys; sys.path.insert(0, sys.argv[1])\n"
        "from eval.sandbox import limits, seccomp\n"
        "limits.forbid_new_privileges(); why = seccomp.install()\n"
        "if why: print(why); sys.exit(3)\n"
        "for name, call in (('open', lambda: os.open('/dev/null', 0)), ('socket', socket.socket), ('fork', os.fork),\n"
        "                   ('exec', lambda: os.execv('/bin/true', ['x'])), ('kill', lambda: os.kill(1, 0)),\n"
        "                   ('unlink', lambda: os.unlink('x')), ('mkdir', lambda: os.mkdir('x'))):\n"
        "    try: call(); print(name, 'allowed')\n"
        "    except PermissionError: print(name, 'refused')\n"
    )
    result = subprocess.run([sys.executable, "-c", script, str(ROOT)], capture_output=True, text=True, check=False)
    if result.returncode == 3:
        pytest.skip(result.stdout.strip())
    assert result.stderr == ""
    assert set(result.stdout.split()) - {"open", "socket", "fork", "exec", "kill", "unlink", "mkdir"} == {"refused"}


def test_a_task_that_needs_a_world_is_refused_before_it_runs() -> None:
    check = TaskCheck("falls", "", needs="world")
    with open_verifier(verifier_settings(workers=1)) as verifier:
        assert not verifier.supports(check)
        with pytest.raises(Refusal, match='cannot run the check "falls"'):
            verifier.submit(Job("", (check,)))
        assert unsupported(verifier, []) == []


def test_an_unknown_verifier_is_refused_with_the_nearest() -> None:
    with pytest.raises(Refusal, match='Did you mean "recorder"'):
        open_verifier(verifier_settings(name="recoder"))


def test_a_reader_that_takes_nothing_is_a_timeout_and_not_a_hang() -> None:
    read_fd, write_fd = os.pipe()
    os.set_blocking(write_fd, False)
    with pytest.raises(FrameTimeout):
        write_frame(write_fd, {"code": "x" * 1_000_000}, time.monotonic() + 0.05)
    os.close(read_fd)
    with pytest.raises(BrokenPipeError):
        write_frame(write_fd, {"code": "x"}, time.monotonic() + 0.05)
    os.close(write_fd)


def test_a_frame_that_is_cut_short_late_or_garbage_is_distinguished() -> None:
    read_fd, write_fd = os.pipe()
    write_frame(write_fd, {"a": [1, "\ud800"]})
    assert read_frame(read_fd) == {"a": [1, "\ud800"]}
    with pytest.raises(FrameTimeout):
        read_frame(read_fd, time.monotonic() + 0.05)
    os.write(write_fd, b"\xff\xff\xff\xff")
    with pytest.raises(FrameError, match="4294967295 bytes"):
        read_frame(read_fd)
    os.write(write_fd, b"\x00\x00\x00\x02hi")
    with pytest.raises(FrameError, match="not JSON"):
        read_frame(read_fd)
    os.write(write_fd, b"\x00\x00")
    os.close(write_fd)
    with pytest.raises(FrameError, match="end of file"):
        read_frame(read_fd)
    os.close(read_fd)
