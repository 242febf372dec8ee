"""Where verifiers disagree: every reference and near miss of the benchmark and of generated tasks, under each of them.

    python tests/bench/agreement.py [--generated N] [--verifiers recorder,builtin,engine]

A line is a program that a verifier does not judge as its task says, or that another judges otherwise.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from eval.datasets.loading import load_dataset
from eval.pipeline.loop import judge
from eval.records import Outcome, Task, Verdict
from tests.support.luanti import open_verifier, read_bench
from tests.support.settings import dataset_settings, verifier_settings

Program = tuple[Task, str, str]


def programs(generated: int) -> list[Program]:
    """Return (task, answer, what it is) of every reference and near miss."""
    mini = load_dataset(dataset_settings(dev_tasks=generated, test_tasks=1, rows=1)).tasks
    out: list[Program] = []
    for task in (*read_bench(), *mini):
        out.append((task, task.reference, "reference"))
        out += [(task, miss.answer, f"near miss: {miss.why}") for miss in task.near_misses]
    return out


def judged(name: str, asked: list[Program]) -> tuple[list[Verdict], str]:
    """Return the verdicts of one verifier, and a line about it."""
    with open_verifier(verifier_settings(name=name, workers=4 if name == "engine" else 2)) as verifier:
        started = time.perf_counter()
        verdicts = [verdict for _, verdict in judge([(task, answer) for task, answer, _ in asked], verifier)]
        speed = len(asked) / (time.perf_counter() - started)
        return verdicts, f"{verifier.name} ({verifier.isolation}): {speed:,.0f} programs/s"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generated", type=int, default=120)
    parser.add_argument("--verifiers", default="recorder,builtin,engine")
    options = parser.parse_args()
    asked, columns = programs(options.generated), {}
    for name in options.verifiers.split(","):
        columns[name], line = judged(name, asked)
        print(line)
    lines = 0
    for number, (task, _, what) in enumerate(asked):
        row = {name: verdicts[number] for name, verdicts in columns.items()}
        passed = {verdict.outcome is Outcome.PASSED for verdict in row.values()}
        if passed != {what == "reference"}:
            lines += 1
            print(f"\n{task.id}, {what}")
            for name, verdict in row.items():
                print(f"  {name:9} {verdict.outcome:14} {verdict.detail[:160]}")
    same = sum(len({verdicts[number].outcome for verdicts in columns.values()}) == 1 for number in range(len(asked)))
    print(
        f"\n{len(asked)} programs, {lines} judged against their task or differently, {same} with one outcome everywhere"
    )


if __name__ == "__main__":
    main()
