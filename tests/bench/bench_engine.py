"""Speed of the engine verifier: programs a second by number of servers at a time, and the CPU time one program costs.

    python tests/bench/bench_engine.py [--programs N]

CPU time is measured without bubblewrap, whose descendants the kernel does not account to us, and on servers that end by
themselves; bubblewrap's own share stands beside it. Bar: 45 programs a second on two idle cores, that is 44 ms of CPU.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from eval.domains.luanti.verify.engine.game import GameFiles
from eval.domains.luanti.verify.engine.installation import find_installation
from eval.domains.luanti.verify.engine.server import ServerSettings, container, job_message, start_process
from eval.pipeline.verifier import Job
from eval.records import TaskCheck
from eval.sandbox.isolation import Wrapper
from eval.sandbox.wire import HEADER
from tests.support.luanti import open_verifier
from tests.support.settings import verifier_settings

CODE = 'core.register_node("mymod:a", {light_source = 9}) function f(pos) core.set_node(pos, {name = "mymod:a"}) end'
REGISTRY = 'equal(node("mymod:a").light_source, 9, "light")'
WORLD = 'run(global("f"), vector(0, 0, 0)) equal(world.get(vector(0, 0, 0)), "mymod:a", "node")'


def children_cpu_s() -> float:
    """Return CPU seconds of ended children."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def speed(workers: int, check: str, programs: int) -> tuple[float, Counter[str]]:
    """Return programs a second and the outcomes."""
    with open_verifier(verifier_settings(name="engine", workers=workers)) as verifier:
        started = time.perf_counter()
        futures = [verifier.submit(Job(CODE, (TaskCheck("check", check),))) for _ in range(programs)]
        outcomes = Counter(str(future.result().outcome) for future in futures)
        return programs / (time.perf_counter() - started), outcomes


def cpu_ms(check: str, programs: int) -> float:
    """Return CPU milliseconds of a server that judges one program and ends, start included."""
    files = GameFiles(find_installation())
    settings = ServerSettings(files, Wrapper((), ""), 10, 2, 64, 64)
    body = json.dumps(job_message(settings, [CODE, files.mod_name, "check", check])).encode()
    before = children_cpu_s()
    for _ in range(programs):
        process = start_process(settings, files.mod_name, files.new_world(files.mod_name), subprocess.DEVNULL)
        answer, _ = process.communicate(HEADER.pack(len(body)) + body)
        assert b'"done"' in answer, answer
    files.close()
    return (children_cpu_s() - before) / programs * 1000


def bubblewrap_ms(programs: int) -> float:
    """Return CPU milliseconds of starting and ending the container alone; 0 where there is none."""
    files = GameFiles(find_installation())
    prefix = container(find_installation(), files).prefix
    before = children_cpu_s()
    for _ in range(programs if prefix else 0):
        subprocess.run([*prefix, "/bin/true"], check=True)
    files.close()
    return (children_cpu_s() - before) / programs * 1000


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=int, default=200)
    programs = parser.parse_args().programs
    print(f"load average {os.getloadavg()[0]:.1f}, {len(os.sched_getaffinity(0))} cores")
    for title, check in (("registry", REGISTRY), ("world", WORLD)):
        print(
            f"{title}: {cpu_ms(check, programs // 4):.1f} ms of CPU a program, bubblewrap {bubblewrap_ms(50):.1f} ms more"
        )
        for workers in (1, 2, 3, 4):
            rate, outcomes = speed(workers, check, programs)
            print(f"  {workers} at a time: {rate:5.1f} programs/s  {dict(outcomes)}")


if __name__ == "__main__":
    main()
