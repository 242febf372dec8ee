"""Real Roblox programs in the model of the engine: how many compile, run, end too late, change between runs, and print
what their comments say.

    python tests/bench/bench_roblox_programs.py FOLDER [--workers N] [--reasons N] [--once]

FOLDER holds chat rows as ``*.jsonl`` (vertigo-lora's ``data/raw``). A program passes when no thread of it raises within two
virtual seconds. Fragments of a larger place and texts with undefined names cannot: the reasons are counted.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from eval.domains.roblox.findings.measuring.programs import programs_in
from eval.domains.roblox.verify.runs import Condition
from eval.domains.roblox.verify.verifier import World
from eval.pipeline.verifier import Job
from eval.records import Outcome, TaskCheck, Verdict
from tests.support.settings import verifier_settings

CONDITIONS = (Condition("deferred", 1), Condition("deferred", 1), Condition("immediate", 1), Condition("immediate", 2))
# A print on a line of its own with what it prints as its comment.
DOCUMENTED = re.compile(
    r"^([ \t]*)print\((.+)\)[ \t]*--(?:>|[ \t]*(?:[Oo]utputs?|[Pp]rints?|[Rr]esult)\b:?)[ \t]*(\S.*?)[ \t]*$"
)
LITERAL = re.compile(r"^([ \t]*)print\((.+)\)[ \t]*--[ \t]*(-?\d[\w.]*|true|false|nil)[ \t]*$")
MARK = "@documented "


def run_all(codes: list[str], under: Condition, workers: int) -> list[Verdict]:
    """Return the verdict on each program under one condition."""

    class Under(World):
        conditions = (under,)

    with Under(verifier_settings(name="world", workers=workers)) as verifier:
        return [future.result() for future in [verifier.submit(Job(code)) for code in codes]]


def documented(code: str) -> tuple[str, dict[int, str]]:
    """Return ``code`` with its documented prints marked by their lines, and what each should print."""
    lines, wanted = code.split("\n"), {}
    for number, line in enumerate(lines, start=1):
        found = DOCUMENTED.match(line) or LITERAL.match(line)
        if found:
            wanted[number] = found[3].strip("`\"'")
            lines[number - 1] = f'{found[1]}print("{MARK}{number}", {found[2]})'
    return "\n".join(lines), wanted


def prints_check(wanted: dict[int, str]) -> TaskCheck:
    """Return a check that fails with what it found: lines that agree, and the first print of those that do not."""
    table = ", ".join(f"[{line}] = [=[{text}]=]" for line, text in wanted.items())
    return TaskCheck(
        "prints",
        f"local wanted, agreed, said = {{ {table} }}, {{}}, {{}}\nfor _, text in prints() do\n"
        f'\tlocal line, rest = string.match(text, "^{MARK}(%d+) (.*)$")\n\tline = tonumber(line)\n'
        "\tif line and not said[line] then\n\t\tsaid[line] = true\n"
        "\t\ttable.insert(agreed, (if rest == wanted[line] then 'yes ' else 'no ') .. line .. ' ' .. rest)\n\tend\nend\n"
        "fail(table.concat(agreed, ' | '))",
    )


def compare_prints(codes: list[str], workers: int) -> list[tuple[bool, str, str]]:
    """Return for each documented print that was reached: whether it agrees, what was documented, what was printed."""
    marked = [(code, wanted) for code, wanted in map(documented, codes) if wanted]
    with World(verifier_settings(name="world", workers=workers)) as verifier:
        futures = [
            verifier.submit(Job(code, (TaskCheck("time", "step(2) errors()"), prints_check(wanted))))
            for code, wanted in marked
        ]
        verdicts = [future.result() for future in futures]
    found = []
    for (_, wanted), verdict in zip(marked, verdicts, strict=True):
        said = verdict.checks[1].detail if len(verdict.checks) == 2 else ""
        for part in said.split(" | "):
            if match := re.match(r"(yes|no) (\d+) (.*)", part):
                found.append((match[1] == "yes", wanted[int(match[2])], match[3]))
    return found


def reason(verdict: Verdict) -> str:
    """Return the detail of a verdict without place and names, to count by."""
    return f"{verdict.outcome} " + re.sub(r'"[^"]*"', '"..."', re.sub(r"^[\w. ]+:\d+: ", "", verdict.detail))


def main() -> None:
    """Print the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--reasons", type=int, default=20)
    parser.add_argument("--once", action="store_true", help="under one condition only: no flips are counted")
    options = parser.parse_args()
    codes = list(dict.fromkeys(program.code for program in programs_in(options.folder)))
    started = time.perf_counter()
    verdicts = [run_all(codes, under, options.workers) for under in CONDITIONS[: 1 if options.once else None]]
    first = verdicts[0]
    outcomes = Counter(str(verdict.outcome) for verdict in first)
    compiled = len(codes) - outcomes[Outcome.SYNTAX_ERROR]
    print(f"{len(codes)} different programs, {compiled} compile, {outcomes[Outcome.PASSED]} pass; {dict(outcomes)}")
    for under, others in zip(CONDITIONS[1:], verdicts[1:], strict=False):
        flips = sum(one.outcome is not other.outcome for one, other in zip(first, others, strict=True))
        print(f"another run with {under}: {flips} other outcomes")
    prints = compare_prints(codes, options.workers)
    print(f"{sum(agrees for agrees, *_ in prints)} of {len(prints)} documented prints agree")
    for _, wanted, said in [each for each in prints if not each[0]]:
        print(f"  documented {wanted!r}, printed {said!r}")
    failing = Counter(reason(verdict) for verdict in first if verdict.outcome is not Outcome.PASSED)
    for text, count in failing.most_common(options.reasons):
        print(f"{count:5} {text[:150]}")
    print(f"{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
