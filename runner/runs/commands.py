"""Commands in messages, completed with the run and the results folder they refer to.

A sentence that says `python -m runner rewind A` is written where the run is not known. Where it is displayed, it is
known: --run and --results are added to the commands that need them and lack them.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from env.refusal import Refusal
from runner.runs.folder import command
from runner.runs.locations import usual_results

_NAMED = re.compile(r"`(?P<before>[^`]*)python -m runner (?P<verb>[a-z]+)(?P<rest>[^`]*)`")
# They refer to all runs, to none, or to a new one.
_OF_RESULTS = frozenset({"new", "runs", "compare"})
_OF_NOTHING = frozenset({"doctor"})


def for_run(refusal: Refusal, folder: Path) -> Refusal:
    """Return a refusal whose commands name the run in ``folder``."""
    flag = command(folder, "").removeprefix("python -m runner ").strip()
    return _flagged(refusal, flag, results_flag(folder))


def as_typed(refusal: Refusal, argv: Sequence[str]) -> Refusal:
    """Return a refusal whose commands include the --run and --results that were typed in ``argv``."""
    return _flagged(refusal, typed_flag(argv, "--run"), typed_flag(argv, "--results"))


def results_flag(folder: Path) -> str:
    """Return '--results FOLDER' where the run in ``folder`` is not in the default results folder; else ''."""
    results = folder.resolve().parent
    return "" if results == usual_results() else f"--results {shlex.quote(str(results))}"


def typed_flag(argv: Sequence[str], name: str) -> str:
    """Return '--run VALUE' as it was typed in ``argv``, the last of several; '' where there is none."""
    value = ""
    for word, following in zip(argv, [*argv[1:], ""], strict=True):
        if word == name:
            value = following
        elif word.startswith(f"{name}="):
            value = word.partition("=")[2]
    return f"{name} {shlex.quote(value)}" if value else ""


def _flagged(refusal: Refusal, run: str, results: str) -> Refusal:
    def add(found: re.Match[str]) -> str:
        verb, rest = found["verb"], found["rest"]
        flag = "" if verb in _OF_NOTHING else results if verb in _OF_RESULTS else run or results
        if not flag or "--run" in rest or "--results" in rest:
            return found[0]
        words, ampersand, _ = rest.partition(" &")
        return f"`{found['before']}python -m runner {verb}{words} {flag}{ampersand}`"

    return Refusal(_NAMED.sub(add, refusal.sentence), _NAMED.sub(add, refusal.fix))
