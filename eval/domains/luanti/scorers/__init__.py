"""The marks of a Luanti mod, from its verdict and its words.

Its syntax tree plays no part: luaparser takes 55 ms for a program of 760 characters, and a report marks thousands.
"""

from __future__ import annotations

from eval.domains.luanti.scorers.habits import read_habits
from eval.pipeline.scoring import Scores, api_mark, checks_passed, grounded, lessened
from eval.pipeline.scoring.words import distinct_lines
from eval.records import Verdict

__all__ = ["findings", "marks"]


def marks(code: str, verdict: Verdict) -> Scores:
    """Return the marks of a mod that was executed.

    syntax: 1; LuaJIT compiled it. api: what it registered and called are its uses; each finding of the field facts (a
    field the API does not know, of the wrong type, out of range) is an unknown name. bugs: the share of the checks that
    pass. quality: the share of its locals that are read, times the share of its lines that stand there once, lessened
    by a quarter of a fault for each global variable that is not the mod's own table. Both api and quality
    count a quarter where no check passes, and in full where all do.
    """
    habits = read_habits(code)
    read = 1.0 if not habits.locals else 1 - len(habits.unread) / len(habits.locals)
    return Scores(
        syntax=1.0,
        api=api_mark(len(verdict.registered) + len(verdict.api_calls), len(verdict.findings), verdict),
        bugs=checks_passed(verdict),
        quality=read * distinct_lines(code) * lessened(len(habits.globals) / 4) * grounded(verdict),
    )


def findings(code: str) -> tuple[str, ...]:
    """Return nothing: the verdict of a mod holds what the field facts find in what it defined."""
    return ()
