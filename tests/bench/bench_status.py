"""How long `runs` and `status` take in a results folder with many finished runs, beside one with a single run.

    python tests/bench/bench_status.py [--runs N] [--times N]

Each figure is the whole command, from the shell's view: a fresh Python, its imports, what it reads, what it prints. The
CPU seconds beside it say what an idle machine would give when this one is busy. Bar: 0.5 s with 200 runs.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.support.many_runs import fill
from tests.support.runs import PROJECT, environment

COMMANDS = (("status",), ("status", "--json"), ("runs",), ("runs", "--json"))


def timed(results: Path, words: tuple[str, ...], times: int) -> tuple[float, float]:
    """Return the median wall and CPU seconds of a command."""
    walls, cpus = [], []
    for _ in range(times):
        before, began_s = _children_cpu_s(), time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "runner", *words],
            cwd=PROJECT,
            env=environment(results),
            stdout=subprocess.DEVNULL,
            check=True,
        )
        walls.append(time.perf_counter() - began_s)
        cpus.append(_children_cpu_s() - before)
    return median(walls), median(cpus)


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200, help="finished runs in the full folder (default 200)")
    parser.add_argument("--times", type=int, default=5, help="repetitions; the median counts (default 5)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        one, many = Path(folder) / "one", Path(folder) / "many"
        fill(one, 1)
        fill(many, options.runs)
        print(f"{'command':<16}{'1 run':>16}{f'{options.runs} runs':>16}   median of {options.times}: wall s (CPU s)")
        for words in COMMANDS:
            cells = [
                f"{wall:.2f} ({cpu:.2f})" for wall, cpu in (timed(place, words, options.times) for place in (one, many))
            ]
            print(f"{' '.join(words):<16}{cells[0]:>16}{cells[1]:>16}")
    print(f"load of this machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
