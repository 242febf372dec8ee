"""Execution against regular expressions on the public Luanti eval set: who accepts what.

    python tests/bench/bench_public_grader.py [--data FOLDER]

The pattern grader follows the set's own schema (its schemas.md): a scaffold answer needs ``minetest.register_node`` and
``tiles = {``, and ``light_source = <number>`` where the instruction speaks of light; a doc answer needs a
``minetest.`` or ``core.`` call; a repair answer needs the three kinds of lines of a unified diff.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(PROJECT))

from eval.pipeline.loop import judge  # noqa: E402
from eval.records import Outcome, Task  # noqa: E402
from tests.support.luanti import open_verifier, read_public  # noqa: E402
from tests.support.settings import verifier_settings  # noqa: E402

DATA = PROJECT.parent / "shared" / "data" / "public" / "luanti-fine-tune" / "data"


@dataclass(frozen=True)
class Answer:
    """One answer to one task: of which sort it is, and whether it is right."""

    task: Task
    sort: str
    text: str


def pattern_grader(task: Task, text: str) -> bool:
    """Return what the set's own schema says of an answer."""
    if task.family == "repair":
        return all(re.search(pattern, text, re.MULTILINE) for pattern in (r"^--- ", r"^\+\+\+ ", r"^@@"))
    if task.family == "doc":
        return bool(re.search(r"\b(?:minetest|core)\.\w+", text))
    needed = [r"minetest\.register_node", r"tiles\s*=\s*\{"]
    if "light" in task.instruction.lower():
        needed.append(r"light_source\s*=\s*\d+")
    return all(re.search(pattern, text) for pattern in needed)


def on_program(change: Callable[[str], str]) -> Callable[[str], str]:
    """Apply ``change`` to a program; in a diff, to the lines it adds."""

    def changed(text: str) -> str:
        if not text.startswith("---"):
            return change(text)
        lines = text.split("\n")
        return "\n".join("+" + change(x[1:]) if x.startswith("+") and not x.startswith("+++") else x for x in lines)

    return changed


WRONG: dict[str, Callable[[str], str]] = {
    "another name": on_program(lambda t: re.sub(r"(['\"])(\w+):(\w+)\1", r"\1\2:\3_other\1", t)),
    "inside a comment": lambda t: "--[==[\n" + t + "\n]==]",
    "never executed": lambda t: "if false then\n" + t + "\nend",
    "then an error": lambda t: t + "\nerror('late')",
    "other numbers": on_program(lambda t: re.sub(r"(?<![\w.])(\d+)(?![\w.])", lambda m: str(int(m[1]) + 1), t)),
    "an API that does not exist": on_program(lambda t: re.sub(r"register_(\w+)", r"register_\1_x", t)),
}


def is_asked_for(task: Task, sort: str) -> bool:
    """Whether the prompt states what the variant changes: an answer is wrong only where it was asked for otherwise."""
    prompt = f"{task.instruction}\n{task.input}"
    if sort == "another name":
        return any(name in prompt for name in re.findall(r"['\"]\w+:(\w+)['\"]", task.reference))
    if sort == "other numbers":
        said = set(re.findall(r"(?<![\w.])\d+(?![\w.])", task.instruction))
        return bool(said & set(re.findall(r"(?<![\w.])\d+(?![\w.])", task.reference)))
    return not (task.answer == "diff" and sort in ("inside a comment", "never executed", "then an error"))


def answers(tasks: tuple[Task, ...]) -> list[Answer]:
    """Return references, wrong variants of them, and the two commonest references given to every other task."""
    found = [Answer(task, "reference", task.reference) for task in tasks]
    for sort, change in WRONG.items():
        for task in tasks:
            text = change(task.reference)
            if is_asked_for(task, sort) and text != task.reference:
                found.append(Answer(task, sort, text))
    for form in ("code", "diff"):
        texts = [task.reference for task in tasks if task.answer == form]
        fixed = max(sorted(set(texts)), key=texts.count)
        found += [Answer(task, f"one fixed {form}", fixed) for task in tasks if task.reference != fixed]
    return found


def main() -> int:
    """Print a table: per sort of answer, how many each grader accepts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    data = parser.parse_args().data
    tasks = read_public(data / "eval" / "luanti_eval.jsonl", data / "train" / "luanti_train.jsonl", 0).tasks
    given = answers(tasks)
    with open_verifier(verifier_settings()) as verifier:
        verdicts = [verdict for _, verdict in judge([(a.task, a.text) for a in given], verifier)]
        print(f"{len(tasks)} tasks of {data.name}; executed by {verifier.name}, held by {verifier.isolation}")
    print(f"{'answers':28} {'n':>5} {'patterns accept':>16} {'execution accepts':>18}")
    for sort in dict.fromkeys(a.sort for a in given):
        mine = [(a, v) for a, v in zip(given, verdicts, strict=True) if a.sort == sort]
        patterns = sum(pattern_grader(a.task, a.text) for a, _ in mine)
        executed = sum(v.outcome is Outcome.PASSED for _, v in mine)
        print(
            f"{sort:28} {len(mine):>5} {patterns:>9} {100 * patterns / len(mine):>4.0f} % {executed:>11} {100 * executed / len(mine):>4.0f} %"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
