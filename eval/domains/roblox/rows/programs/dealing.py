"""Seed programs into training rows: pairs of a request and its program, and programs to repair or to rework."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

from env.refusal import Refusal
from eval.dealing.checked_rows import CheckedRow
from eval.dealing.diffs import diff_with_context
from eval.dealing.seeds.dealing import Form, Teller, cells, checked_row, deal, filled_checks
from eval.dealing.seeds.filling import draw_values, fill, indented
from eval.dealing.seeds.programs import Bug, Layout, Seed, break_code, read_seeds
from eval.records import AnswerForm, Row

PAIRS = ("coding", "architecture", "typing")
REPAIRS = ("bugfix", "refactor")
LAYOUT = Layout("roblox_rows", PAIRS, "bugfix", {"refactor": "before"})
INDENTS = ("\t", "\t", "    ", "  ")
FILE = "script.luau"
FRAMES = {
    "coding": (
        "{it}",
        "{it}",
        "{it} Luau only, please.",
        "{it} Answer with the code alone.",
        "For our island game: {it}",
    ),
    "architecture": (
        "{it} Head every file with its own `-- file: path` comment.",
        "{it} Mark where a file starts with `-- file: path`.",
        "{it} Each file's first line reads `-- file: path`.",
    ),
    "typing": (
        "{it} It must be strict: `--!strict` comes first.",
        "{it} Annotate everything and put `--!strict` on top.",
        "{it} Typed Luau with `--!strict`, please.",
    ),
    "bugfix": (
        "{it}",
        "{it} Send back the whole script, corrected.",
        "Seen while play-testing: {it} Please repair it.",
        "A reviewer wrote: {it} What does the right version look like?",
        "{it} Give me the full corrected source.",
    ),
    "refactor": (
        "{it}",
        "{it} Players must not notice any difference.",
        "Review note: {it} Rewrite the script accordingly.",
        "{it} Apart from that it has to act as it does today.",
    ),
}
FORMS = {family: Form(family, "code", frames) for family, frames in FRAMES.items()}
DIFFS = Form(
    "bugfix",
    "diff",
    (
        "{it} Send the repair as a unified diff.",
        "{it} The patch alone, please: a unified diff.",
        "Seen while play-testing: {it} Give me the change as a unified diff, not the script.",
        "A reviewer wrote: {it} Which unified diff settles it?",
        "{it} Reply with a diff against the script.",
    ),
)


def seeds() -> tuple[Seed, ...]:
    """Return every seed program."""
    return read_seeds(Path(__file__).resolve().parent, LAYOUT)


def rows(family: str, n: int, seed: int, answer: AnswerForm = "code") -> tuple[Row, ...]:
    """Return the rows of ``dealt``."""
    return tuple(each.row for each in dealt(family, n, seed, answer))


def dealt(family: str, n: int, seed: int, answer: AnswerForm = "code") -> tuple[CheckedRow, ...]:
    """Return ``n`` different rows of a family with their checks; the same numbers give the same ones.

    Raises:
        Refusal: the seeds give fewer.
    """
    named = family if answer == "code" else f"{family} {answer}"
    stream = random.Random(f"roblox_rows/{named}/{seed}")
    found = tuple(islice(deal(cells(seeds(), (family,), partial(tellers, answer)), stream), n))
    if len(found) < n:
        raise Refusal(f"{n} rows of {named} were requested, the seeds give {len(found)}.", "Request fewer.")
    return found


def tellers(answer: AnswerForm, seed: Seed, family: str) -> list[Teller]:
    """Return what deals rows of ``family`` from ``seed``: for bugfix one a bug, else one or none."""
    if family in seed.asked:
        return [lambda stream: asked_row(seed, family, stream)]
    if family == LAYOUT.faulty:
        deal_bug = bugfix_row if answer == "code" else diff_row
        return [lambda stream, bug=bug: deal_bug(seed, bug, stream) for bug in seed.bugs]  # type: ignore[misc]
    return [lambda stream: refactor_row(seed, stream)] if family in seed.parts else []


def asked_row(seed: Seed, family: str, stream: random.Random) -> CheckedRow:
    """Return the seed as a request for its program."""
    values = draw_values(seed.slots, stream)
    output = indented(fill(seed.code, values), "\t")
    return checked_row(seed, FORMS[family], seed.asked[family], ("", output), values, stream)


def bugfix_row(seed: Seed, bug: Bug, stream: random.Random) -> CheckedRow:
    """Return the seed broken by ``bug`` as the input, its program as the answer."""
    values, broken, fixed = _broken_and_fixed(seed, bug, stream)
    return checked_row(seed, FORMS["bugfix"], bug.asks, (broken, fixed), values, stream)


def diff_row(seed: Seed, bug: Bug, stream: random.Random) -> CheckedRow:
    """Return the seed broken by ``bug`` as the input; the answer is the diff that fixes it."""
    values, broken, fixed = _broken_and_fixed(seed, bug, stream)
    return checked_row(seed, DIFFS, bug.asks, (broken, diff_with_context(broken, fixed, FILE)), values, stream)


def _broken_and_fixed(seed: Seed, bug: Bug, stream: random.Random) -> tuple[dict[str, str], str, str]:
    values, indent = draw_values(seed.slots, stream), stream.choice(INDENTS)
    broken, fixed = (indented(fill(code, values), indent) for code in (break_code(seed, bug), seed.code))
    return values, broken, fixed


def refactor_row(seed: Seed, stream: random.Random) -> CheckedRow:
    """Return the seed's inferior version as the input, its program as the answer."""
    part = seed.parts["refactor"]
    values, indent = draw_values(seed.slots, stream), stream.choice(INDENTS)
    before, after = (indented(fill(code, values), indent) for code in (part.input, seed.code))
    made = checked_row(seed, FORMS["refactor"], part.asks, (before, after), values, stream)
    return replace(made, checks=(*made.checks, *filled_checks(part.checks, values)))
