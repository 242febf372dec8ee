"""Verification speed: the pool beside a fresh process for every program, on the same programs in one run.

    python tests/bench/bench_verify.py [--programs N] [--workers N]

CPU time a program (runner and children together) is printed too: it says what idle cores would give when these are busy.

The fresh process is `luajit` loading the program alone (no recorder, no checks) where it is installed, else a fresh
Python with lupa. Bar: 2,000 programs a second through the pool on two idle cores.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from eval.pipeline.verifier import Job
from eval.records import TaskCheck
from tests.support.luanti import open_verifier
from tests.support.settings import verifier_settings

STUB = "core = setmetatable({}, {__index = function() return function() end end}) minetest = core\n"
FRESH_PYTHON = "import sys, lupa.luajit21 as l; l.LuaRuntime().execute(sys.stdin.read())"


def register_only(number: int) -> Job:
    """A node and its check: what most programs are."""
    code = (
        f'core.register_node("mymod:n{number}", {{\n\tdescription = "Node",\n\ttiles = {{"mymod_n.png"}},\n'
        f"\tgroups = {{cracky = 3}},\n\tlight_source = {number % 15},\n}})\n"
    )
    check = f'equal(node("mymod:n{number}").light_source, {number % 15}, "light_source")'
    return Job(code, (TaskCheck("light", check),))


def with_world(number: int) -> Job:
    """A callback that acts on players: it loads the part of the recorder that comes on demand."""
    code = f'core.register_on_joinplayer(function(p) core.chat_send_player(p:get_player_name(), "hi {number}") end)\n'
    check = (
        f'fire("on_joinplayer", player("bob")) equal(calls("chat_send_player")[1], {{"bob", "hi {number}"}}, "call")'
    )
    return Job(code, (TaskCheck("told", check),))


def cpu_s() -> float:
    """Return CPU seconds of this process and its ended children."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def pooled(jobs: list[Job], workers: int) -> tuple[float, float, Counter[str], str]:
    """Return programs a second through a warm pool, CPU seconds a program, the outcomes, and the isolation."""
    before = cpu_s()
    with open_verifier(verifier_settings(workers=workers)) as verifier:
        for future in [verifier.submit(job) for job in jobs[: 20 * workers]]:
            future.result()
        started = time.perf_counter()
        futures = [verifier.submit(job) for job in jobs]
        outcomes = Counter(str(future.result().outcome) for future in futures)
        speed, isolation = len(jobs) / (time.perf_counter() - started), verifier.isolation
    return speed, (cpu_s() - before) / len(jobs), outcomes, isolation


def fresh(jobs: list[Job], workers: int) -> tuple[float, str]:
    """Return programs a second with a process for each, and which program that was."""
    luajit = shutil.which("luajit")
    command = [luajit, "-"] if luajit else [sys.executable, "-I", "-c", FRESH_PYTHON]

    def run(job: Job) -> int:
        return subprocess.run(command, input=STUB + job.code, text=True, check=False).returncode

    started = time.perf_counter()
    with ThreadPoolExecutor(workers) as threads:
        codes = list(threads.map(run, jobs))
    if any(codes):
        raise SystemExit(f"the baseline failed: exit codes {sorted(set(codes))}")
    return len(jobs) / (time.perf_counter() - started), "luajit" if luajit else "python + lupa"


def main() -> None:
    """Print both speeds and their ratio for the two kinds of program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=int, default=4000)
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    print(f"{options.workers} workers, load average {os.getloadavg()[0]:.1f}")
    baseline, name = fresh(
        [register_only(number) for number in range(max(50, options.programs // 20))], options.workers
    )
    print(f"a fresh process each ({name}): {baseline:7,.0f} programs/s")
    for title, make in (("register only", register_only), ("with callbacks", with_world)):
        jobs = [make(number) for number in range(options.programs)]
        speed, cpu, outcomes, isolation = pooled(jobs, options.workers)
        print(
            f"pool, {title:14} ({isolation}): {speed:7,.0f} programs/s, {speed / baseline:5.1f} x, "
            f"{cpu * 1e6:.0f} us of CPU each, start included   {dict(outcomes)}"
        )


if __name__ == "__main__":
    main()
