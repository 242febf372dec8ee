"""A judge without a model: a program that lacks a name, number or text of its task is bad. `python -m tests.support.word_judge`.

It speaks the protocol of a language model behind an endpoint, so that calibrating and using a judge can be tried anywhere.
"""

from __future__ import annotations

import re
import threading

from tests.support.judge_server import graded, judging, programs_in

PORT = 8765
_WORD = re.compile(r"[a-z_]+:[a-z0-9_]+|[\w-]+\.(?:png|ogg)|\d+(?:\.\d+)?|[a-z0-9]+(?:_[a-z0-9]+)+", re.IGNORECASE)


def reads(turn: str) -> str:
    """Return the grades of the two programs in a turn: 9 where every word of the task is there, less where not."""
    task = turn.partition("# The first program")[0]
    return graded(*(_grade(task, program) for program in programs_in(turn)))


def _grade(task: str, program: str) -> float:
    instruction = task.partition("```")[0]
    wanted = set(_WORD.findall(instruction))
    found = sum(word in program for word in wanted)
    return 9 if found == len(wanted) else round(4 * found / len(wanted), 1)


def main() -> None:
    """Serve until it is interrupted."""
    with judging(lambda first, second: "", PORT, model="word-judge", reads=reads) as judge:
        print(f"word-judge at {judge.url}", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
