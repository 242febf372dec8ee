"""CPU seconds of choosing among a model's own answers: naming their programs, and selecting.

    python tests/bench/bench_selection.py [--answers 100000]

Bar: 100,000 answers in less than 10 s. All programs differ, which is the slowest case; half of them passed.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from eval.records import Candidate, Completion, Outcome, Sample, Task, Verdict
from eval.rejection.answers import own_answers
from eval.rejection.selection import SelectionRules, select

PROGRAM = (
    'core.register_node("mymod:node_{n}", {{\n    description = "Node {n}",\n    tiles = {{"mymod_{n}.png"}},\n'
    "    groups = {{cracky = {m}}},\n    light_source = {m},\n}})\n"
)
A_TASK = 8


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=int, default=100_000)
    count = parser.parse_args().answers
    chance = random.Random(0)
    tasks = {
        f"t{n}": Task(f"t{n}", "f", "k", "c", "dev", f"Do {n}.", "", "code", "", ()) for n in range(count // A_TASK)
    }
    samples = [_sample(task, index, chance) for task in tasks for index in range(A_TASK)]
    began_s = time.process_time()
    answers = own_answers(samples, tasks)
    named_s = time.process_time()
    marks = {one.key: {"syntax": 1.0, "api": 0.5, "bugs": 1.0, "quality": 1.0} for one in answers if one.passed}
    weights = {"syntax": 1.0, "api": 1.0, "bugs": 1.0, "quality": 1.0}
    rules = SelectionRules("shortest", 1, 0.0, weights, 50.0, frozenset())
    selecting_s = time.process_time()
    kept = select(answers, marks, {}, {}, rules).kept
    ended_s = time.process_time()
    print(f"{len(samples):,} answers: named in {named_s - began_s:.1f} s, selected in {ended_s - selecting_s:.1f} s")
    print(f"{len(kept):,} kept")


def _sample(task: str, index: int, chance: random.Random) -> Sample:
    code = PROGRAM.format(n=chance.randrange(10**9), m=index)
    outcome = Outcome.PASSED if chance.random() < 0.5 else Outcome.WRONG
    completion = Completion(code, "stop", chance.randrange(20, 90))
    return Sample(task, index, "round-1", 0, completion, Candidate(code, "bare"), Verdict(outcome, "", 0.0, "v", "i"))


if __name__ == "__main__":
    main()
