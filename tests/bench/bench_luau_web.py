"""Both implementations of the Luau VM side by side: every verdict of RobloxBench, speed, fixed cost and memory.

    python tests/bench/bench_luau_web.py [--programs N] [--rounds N]

One worker each, taken in turns, so that a busy machine slows both; ratios are of CPU time, children and their start-up
excluded. A verdict differs when anything of it does: outcome, detail, checks, what was made and called, findings.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import replace
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from eval.datasets.bench_files import read_bench
from eval.domains import domain_named, open_verifier
from eval.domains.roblox.verify.verifier import World
from eval.pipeline.instrument import judge_known_answers
from eval.pipeline.verifier import Job
from tests.bench.bench_verify_roblox import EMPTY, SMALL, benchmark, children_cpu_s, memory_mb
from tests.support.settings import verifier_settings

FIRST, SECOND = "world", "world_web"
SHOWN = 20


def opened(stack: ExitStack, name: str) -> World:
    """Return a verifier with one worker that is never replaced for its age."""
    settings = verifier_settings(name=name, workers=1, memory_mb=96, recycle_after=1_000_000)
    verifier = stack.enter_context(open_verifier(domain_named("roblox"), settings))
    assert isinstance(verifier, World)
    return verifier


def used_ms(verifier: World, jobs: list[Job]) -> float:
    """Return the CPU milliseconds of one of ``jobs``, run in a warm child."""
    before_s = children_cpu_s(verifier)
    for future in [verifier.submit(job) for job in jobs]:
        future.result()
    return 1e3 * (children_cpu_s(verifier) - before_s) / len(jobs)


def measure(title: str, jobs: list[Job], rounds: int, verifiers: tuple[World, World]) -> None:
    """Print CPU time of each implementation and their ratio: the least of ``rounds``."""
    for verifier in verifiers:
        used_ms(verifier, jobs[:50])
    taken = [[used_ms(verifier, jobs) for verifier in verifiers] for _ in range(rounds)]
    first, second = (min(times) for times in zip(*taken, strict=True))
    print(
        f"{title:16} {first:5.2f} and {second:5.2f} ms of CPU each, ratio {second / first:.2f}; "
        f"{1e3 / first:4,.0f} and {1e3 / second:4,.0f} programs per CPU second"
    )


def compare_verdicts() -> None:
    """Judge every known answer of the benchmark under both and print where verdicts differ."""
    domain = domain_named("roblox")
    folder = Path(import_module(domain.datasets["robloxbench"].tasks).__path__[0])
    tasks = read_bench("robloxbench", folder, domain.families, domain.mod_name, import_module(domain.worlds))
    known = []
    with ExitStack() as stack:
        for verifier in (opened(stack, FIRST), opened(stack, SECOND)):
            started = time.perf_counter()
            known.append(judge_known_answers(tasks, verifier, domain.constant_answers))
            print(f"{verifier.name:18} {len(known[-1])} programs in {time.perf_counter() - started:.0f} s")
    differing: Counter[str] = Counter()
    for one, other in zip(*known, strict=True):
        left, right = (replace(answer.verdict, verifier="", isolation="", seconds=0.0) for answer in (one, other))
        if left != right:
            part = "outcome" if left.outcome is not right.outcome else "rest"
            differing[part] += 1
            if sum(differing.values()) <= SHOWN:
                print(f"  {one.task.id} {one.name}: {left.outcome} {left.detail!r}, {right.outcome} {right.detail!r}")
    print(f"verdicts that differ: {differing['outcome']} in their outcome, {differing['rest']} in anything else")


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    references = benchmark()
    with ExitStack() as stack:
        verifiers = opened(stack, FIRST), opened(stack, SECOND)
        print(" and ".join(f"{verifier.name} ({verifier.isolation})" for verifier in verifiers))
        for title, jobs in (
            ("an empty program", [EMPTY] * options.programs),
            ("a small program", [SMALL] * options.programs),
            ("the references", references),
        ):
            measure(title, jobs, options.rounds, verifiers)
        first, second = map(memory_mb, verifiers)
        print(f"memory of a child {first:.0f} and {second:.0f} MB")
    compare_verdicts()


if __name__ == "__main__":
    main()
