"""Verification speed of Roblox programs: CPU time of each, programs a second, and the memory of a child.

    python tests/bench/bench_verify_roblox.py [--programs N] [--workers N]

CPU time a program (children and this process together) says what idle cores would give when these are busy: the last
column but one is 2 divided by it. Bars: 2.5 ms of fixed cost, 350 small programs a second and 90 benchmark tasks a second
on two idle cores, 120 MB a child.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from eval.datasets.bench_files import read_bench
from eval.domains import domain_named
from eval.domains.roblox.verify.verifier import World
from eval.pipeline.verifier import Job
from eval.records import TaskCheck
from tests.support.settings import verifier_settings

EMPTY = Job("", (TaskCheck("nothing", ""),))
SMALL = Job(
    'local part = Instance.new("Part")\npart.Name = "Lamp"\npart.Anchored = true\npart.Position = Vector3.new(0, 5, 0)\n'
    'part.Parent = workspace\ngame:GetService("Players").PlayerAdded:Connect(function(player)\n'
    '\tplayer:SetAttribute("Lamps", 1)\nend)\n',
    (
        TaskCheck("lamp", 'near(get("Workspace/Lamp").Position, Vector3.new(0, 5, 0), 0.01, "Position")'),
        TaskCheck("player", 'equal(join("Ann"):GetAttribute("Lamps"), 1, "Lamps")'),
    ),
)


def benchmark() -> list[Job]:
    """Return the references of the benchmark's tasks whose answer is a program."""
    domain = domain_named("roblox")
    folder = Path(import_module(domain.datasets["robloxbench"].tasks).__path__[0])
    tasks = read_bench("robloxbench", folder, domain.families, domain.mod_name, import_module(domain.worlds))
    return [Job(task.reference, task.checks, "", task.worlds) for task in tasks if task.answer == "code"]


def children_cpu_s(verifier: World) -> float:
    """Return the CPU seconds that the pool's living children have used."""
    ticks = os.sysconf("SC_CLK_TCK")
    return sum(sum(map(int, _stat(pid)[11:13])) / ticks for pid in _tree(verifier))


def memory_mb(verifier: World) -> float:
    """Return the peak resident memory of the largest child."""
    peaks = [line for pid in _tree(verifier) for line in Path(f"/proc/{pid}/status").read_text().splitlines()]
    return max(int(line.split()[1]) / 1024 for line in peaks if line.startswith("VmHWM"))


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _tree(verifier: World) -> list[int]:
    waiting = [child._process.pid for child in verifier._pool._children]  # type: ignore[attr-defined]
    found = []
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return found


def measure(title: str, jobs: list[Job], workers: int) -> None:
    """Print the speed of ``jobs`` through a warm pool."""
    with World(verifier_settings(name="world", workers=workers, recycle_after=100_000)) as verifier:
        for future in [verifier.submit(job) for job in jobs[: 20 * workers]]:
            future.result()
        before_s, started = time.process_time() + children_cpu_s(verifier), time.perf_counter()
        outcomes = Counter(str(future.result().outcome) for future in [verifier.submit(job) for job in jobs])
        seconds, used_s = time.perf_counter() - started, time.process_time() + children_cpu_s(verifier) - before_s
        print(
            f"{title:16} {len(jobs) / seconds:7,.0f} programs/s here, {used_s / len(jobs) * 1e3:5.2f} ms of CPU each, "
            f"{2 * len(jobs) / used_s:5,.0f}/s on two idle cores, {memory_mb(verifier):4.0f} MB a child   {dict(outcomes)}"
        )


def main() -> None:
    """Print speed, CPU time and memory for three kinds of program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    print(f"{options.workers} workers, load average {os.getloadavg()[0]:.1f}")
    measure("nothing", [EMPTY] * options.programs, options.workers)
    measure("small programs", [SMALL] * options.programs, options.workers)
    tasks = benchmark()
    measure("benchmark tasks", (tasks * (options.programs // len(tasks) + 1))[: options.programs], options.workers)


if __name__ == "__main__":
    main()
