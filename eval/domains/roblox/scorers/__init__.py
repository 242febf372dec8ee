"""The marks of a Luau program, from its verdict, its syntax tree and the findings in it."""

from __future__ import annotations

from eval.domains.roblox.scorers.reading import read_answer
from eval.pipeline.scoring import NOTHING, Scores, api_mark, checks_passed, grounded, lessened
from eval.records import Verdict

__all__ = ["findings", "marks"]


def marks(code: str, verdict: Verdict) -> Scores:
    """Return the marks of an answer that was executed: a program, several files, or tool calls with code in them.

    syntax: 1; the VM compiled it, and it holds a statement. api: names of the API that it uses outside declarations
    that nothing reads; each API finding is an unknown name, each deprecated one a quarter of one. bugs: the share of
    the checks that pass, lessened by each finding of kind bug, type and side. quality: the share of its locals that are
    read, times the share of its lines (or calls) that stand there once, lessened by a quarter of a fault for each
    finding of kind style, wait, global and deprecated. Both api and quality count a quarter where no check passes, and
    in full where all do.

    Raises:
        Refusal: tree-sitter-luau is not installed.
    """
    answer = read_answer(code)
    if not answer.statements:
        return NOTHING
    found = answer.findings
    habits = found["style"] + found["wait"] + found["global"] + found["deprecated"]
    return Scores(
        syntax=1.0,
        api=api_mark(answer.uses, found["api"] + found["deprecated"] / 4, verdict),
        bugs=checks_passed(verdict) * lessened(found["bug"] + found["type"] + found["side"]),
        quality=answer.read * answer.distinct * lessened(habits / 4) * grounded(verdict),
    )


def findings(code: str) -> tuple[str, ...]:
    """Return what reading the Luau of an answer finds, by line. Raises Refusal without tree-sitter-luau."""
    return read_answer(code).sentences
