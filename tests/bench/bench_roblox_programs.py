"""Real Roblox programs in the model of the engine: how many compile, run, end too late, change between runs, and print
what their comments say.

    python tests/bench/bench_roblox_programs.py FOLDER [--workers N] [--reasons N] [--once]

FOLDER holds chat rows as ``*.jsonl`` (vertigo-lora's ``data/raw``). Two selections are counted: the programs of answers, each
as often as it stands there, and all different programs, those of questions too. A program passes when no thread of it raises
within two virtual seconds. Fragments of a larger place and texts with undefined names cannot: the reasons are counted.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from eval.domains.roblox.findings.measuring.programs import programs_in
from eval.domains.roblox.verify.runs import Condition
from eval.domains.roblox.verify.verifier import World
from eval.pipeline.verifier import Job
from eval.records import Outcome, Verdict
from tests.support.documented_prints import Documented, agreements, checks_of, marked
from tests.support.luau_failures import kind_of
from tests.support.settings import verifier_settings

CONDITIONS = (Condition("deferred", 1), Condition("deferred", 1), Condition("immediate", 1), Condition("immediate", 2))
# Virtual seconds after which prints are compared: the longest documented output takes ten.
PRINTED_S = 12
# CPU time alone ends a program: a busy machine changes no count.
PATIENCE_S = 120


def run_all(codes: list[str], under: Condition, workers: int) -> list[Verdict]:
    """Return the verdict on each program under one condition."""

    class Under(World):
        conditions = (under,)

    with Under(verifier_settings(name="world", workers=workers, timeout_s=PATIENCE_S)) as verifier:
        return [future.result() for future in [verifier.submit(Job(code)) for code in codes]]


def compare_prints(codes: list[str], workers: int) -> list[tuple[str, bool, Documented, str]]:
    """Return (program, whether it agrees, the line, what it printed) for each documented line that was reached."""
    told = [(code, *marked(code)) for code in codes]
    told = [each for each in told if each[2]]
    with World(verifier_settings(name="world", workers=workers)) as verifier:
        futures = [verifier.submit(Job(text, checks_of(lines, PRINTED_S))) for _, text, lines in told]
        verdicts = [future.result() for future in futures]
    return [
        (code, *agreement)
        for (code, _, lines), verdict in zip(told, verdicts, strict=True)
        for agreement in agreements(lines, [check.detail for check in verdict.checks[1:]])
    ]


def reason(verdict: Verdict) -> str:
    """Return the detail of a verdict without place and names, to count by."""
    return f"{verdict.outcome} " + re.sub(r'"[^"]*"', '"..."', re.sub(r"^[\w. ]+:\d+: ", "", verdict.detail))


def counts_of(title: str, codes: Sequence[str], verdicts: Mapping[str, Verdict]) -> str:
    """Return how many of ``codes``, each as often as it stands there, compile, pass and end too late."""
    outcomes = Counter(verdicts[code].outcome for code in codes)
    compiled = len(codes) - outcomes[Outcome.SYNTAX_ERROR]
    others = ", ".join(f"{outcome} {count}" for outcome, count in outcomes.most_common())
    return (
        f"{title}: {len(codes):,} programs, {compiled:,} compile ({compiled / len(codes):.1%}), "
        f"{outcomes[Outcome.PASSED]:,} pass, {outcomes[Outcome.TIMEOUT]} end too late   {others}"
    )


def prints_of(title: str, codes: Sequence[str], compared: Sequence[tuple[str, bool, Documented, str]]) -> str:
    """Return how many documented lines of ``codes``, each as often as it stands there, agree."""
    often = Counter(codes)
    reached = sum(often[code] for code, *_ in compared)
    agreed = sum(often[code] for code, agrees, *_ in compared if agrees)
    return f"{title}: {agreed} of {reached} documented prints agree"


def main() -> None:
    """Print the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--reasons", type=int, default=20)
    parser.add_argument("--once", action="store_true", help="under one condition only: no flips are counted")
    options = parser.parse_args()
    programs = list(programs_in(options.folder))
    answers = [program.code for program in programs if program.role == "assistant"]
    codes = list(dict.fromkeys(program.code for program in programs))
    started = time.perf_counter()
    runs = [run_all(codes, under, options.workers) for under in CONDITIONS[: 1 if options.once else None]]
    compared = compare_prints(codes, options.workers)
    verdicts = dict(zip(codes, runs[0], strict=True))
    for title, selected in (("answers", answers), ("different", codes)):
        print(counts_of(title, selected, verdicts))
        print(prints_of(title, selected, compared))
    for under, others in zip(CONDITIONS[1:], runs[1:], strict=False):
        flips = sum(one.outcome is not other.outcome for one, other in zip(runs[0], others, strict=True))
        print(f"another run with {under}: {flips} other outcomes")
    for _, _, line, said in [each for each in compared if not each[1]]:
        print(f"  documented {line.text!r}, printed {said!r}")
    print("Why the different programs do not pass:")
    failing = [(code, verdict) for code, verdict in verdicts.items() if verdict.outcome is not Outcome.PASSED]
    kinds = Counter(kind_of(code, verdict) for code, verdict in failing)
    for kind, count in kinds.most_common():
        print(f"{count:5} {kind}")
    for text, count in Counter(reason(verdict) for _, verdict in failing).most_common(options.reasons):
        print(f"{count:7} {text[:150]}")
    print(f"{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
