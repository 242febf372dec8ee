"""Seed programs into training rows: pairs of a request and its program, and programs to repair or to rework."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import islice
from pathlib import Path

from env.refusal import Refusal
from eval.dealing.seeds.dealing import CheckedRow, Teller, cells, checked_row, deal, filled_checks
from eval.dealing.seeds.filling import draw_values, fill, indented
from eval.dealing.seeds.programs import Bug, Layout, Seed, break_code, read_seeds
from eval.domains.roblox.domain import DOMAIN
from eval.records import Row, Task

PAIRS = ("coding", "architecture", "typing")
REPAIRS = ("bugfix", "refactor")
LAYOUT = Layout("roblox_rows", PAIRS, "bugfix", {"refactor": "before"})
INDENTS = ("\t", "\t", "    ", "  ")
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


def task_of(dealt: CheckedRow, number: int) -> Task:
    """Return a row as a task, so that the benchmark's own code can verify its answer."""
    row = dealt.row
    return Task(
        id=f"{number:04d}.{row.cluster}.{row.family}",
        family=row.family,
        kind=row.kind,
        cluster=row.cluster,
        split="dev",
        instruction=row.instruction,
        input=row.input,
        answer=DOMAIN.families[row.family],  # type: ignore[arg-type]
        reference=row.output,
        checks=dealt.checks,
        source="roblox_rows",
    )


def seeds() -> tuple[Seed, ...]:
    """Return every seed program."""
    return read_seeds(Path(__file__).resolve().parent, LAYOUT)


def rows(family: str, n: int, seed: int) -> tuple[Row, ...]:
    """Return the rows of ``dealt``."""
    return tuple(each.row for each in dealt(family, n, seed))


def dealt(family: str, n: int, seed: int) -> tuple[CheckedRow, ...]:
    """Return ``n`` different rows of a family with their checks; the same numbers give the same ones.

    Raises:
        Refusal: the seeds give fewer.
    """
    stream = random.Random(f"roblox_rows/{family}/{seed}")
    found = tuple(islice(deal(cells(seeds(), (family,), tellers), stream), n))
    if len(found) < n:
        raise Refusal(f"{n} rows of {family} were requested, the seeds give {len(found)}.", "Request fewer.")
    return found


def tellers(seed: Seed, family: str) -> list[Teller]:
    """Return what deals rows of ``family`` from ``seed``: for bugfix one a bug, else one or none."""
    if family in seed.asked:
        return [lambda stream: asked_row(seed, family, stream)]
    if family == LAYOUT.faulty:
        return [lambda stream, bug=bug: bugfix_row(seed, bug, stream) for bug in seed.bugs]  # type: ignore[misc]
    return [lambda stream: refactor_row(seed, stream)] if family in seed.parts else []


def asked_row(seed: Seed, family: str, stream: random.Random) -> CheckedRow:
    """Return the seed as a request for its program."""
    values = draw_values(seed.slots, stream)
    output = indented(fill(seed.code, values), "\t")
    return checked_row(seed, family, (FRAMES[family], seed.asked[family]), ("", output), values, stream)


def bugfix_row(seed: Seed, bug: Bug, stream: random.Random) -> CheckedRow:
    """Return the seed broken by ``bug`` as the input, its program as the answer."""
    values, indent = draw_values(seed.slots, stream), stream.choice(INDENTS)
    broken, fixed = (indented(fill(code, values), indent) for code in (break_code(seed, bug), seed.code))
    return checked_row(seed, "bugfix", (FRAMES["bugfix"], bug.asks), (broken, fixed), values, stream)


def refactor_row(seed: Seed, stream: random.Random) -> CheckedRow:
    """Return the seed's inferior version as the input, its program as the answer."""
    part = seed.parts["refactor"]
    values, indent = draw_values(seed.slots, stream), stream.choice(INDENTS)
    before, after = (indented(fill(code, values), indent) for code in (part.input, seed.code))
    made = checked_row(seed, "refactor", (FRAMES["refactor"], part.asks), (before, after), values, stream)
    return replace(made, checks=(*made.checks, *filled_checks(part.checks, values)))
