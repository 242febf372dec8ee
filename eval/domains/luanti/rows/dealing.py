"""Seeds into training rows: every family and kind in turn, each row with the checks its answer passes."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import islice
from pathlib import Path

from env.refusal import Refusal
from eval.dealing.checked_rows import CheckedRow
from eval.dealing.diffs import diff_with_context
from eval.dealing.seeds.dealing import Form, Teller, cells, checked_row, deal, filled_checks
from eval.dealing.seeds.filling import draw_values, fill
from eval.dealing.seeds.programs import Bug, Layout, Part, Seed, break_code, read_seeds
from eval.domains.luanti.domain import DOMAIN
from eval.domains.luanti.rows.filling import draw_style, written
from eval.records import Row

LAYOUT = Layout("rows", ("scaffold",), "repair", {"doc": "excerpt", "refactor": "before"})
FRAMES = {
    "scaffold": (
        "{it}",
        "{it}",
        "{it} Only the Lua file, please.",
        "{it} One init.lua is enough.",
        "New feature for the mod mymod. {it}",
    ),
    "repair": (
        "{it} Send a unified diff for init.lua.",
        "{it} Please answer with a diff.",
        "{it} I want a patch in unified diff format, not the whole file.",
        "{it} Reply with a unified diff that fixes it.",
        "Bug report: {it} Return the fix as a unified diff.",
    ),
    "doc": ("{it}", "{it} The notes below tell how.", "{it} Use the documentation given."),
    "refactor": (
        "{it}",
        "{it} Everything else must keep working as it does.",
        "{it} Nothing else may change for players.",
        "Clean-up: {it} Give me the whole new file.",
    ),
}


def seeds() -> tuple[Seed, ...]:
    """Return every seed program."""
    return read_seeds(Path(__file__).resolve().parent, LAYOUT)


def rows(n: int, seed: int) -> tuple[Row, ...]:
    """Return ``n`` training rows; the same numbers give the same rows. Raises Refusal when there are fewer."""
    return tuple(dealt.row for dealt in rows_with_checks(n, seed))


def rows_with_checks(n: int, seed: int) -> tuple[CheckedRow, ...]:
    """Return the rows of ``rows`` with their checks.

    Raises:
        Refusal: ``n`` is not positive, or the seeds give fewer different rows.
    """
    if n < 1:
        raise Refusal(f"rows: {n} is not a positive number.")
    sources = cells(seeds(), tuple(DOMAIN.families), _tellers)
    dealt = list(islice(deal(sources, random.Random(f"luanti_rows/{seed}")), n))
    if len(dealt) < n:
        raise Refusal(f"rows: {n} were requested, the seeds give about {len(dealt)}.", f"Use {len(dealt)}.")
    return tuple(dealt)


def _tellers(seed: Seed, family: str) -> list[Teller]:
    if family == "scaffold":
        return [lambda stream: scaffold_row(seed, stream)] if family in seed.asked else []
    if family == "repair":
        return [lambda stream, bug=bug: repair_row(seed, bug, stream) for bug in seed.bugs]  # type: ignore[misc]
    if family == "doc":
        return [lambda stream: doc_row(seed, seed.parts[family], stream)] if family in seed.parts else []
    return [lambda stream: refactor_row(seed, seed.parts[family], stream)] if family in seed.parts else []


def scaffold_row(seed: Seed, stream: random.Random) -> CheckedRow:
    """Return the seed as a request for its program."""
    values = draw_values(seed.slots, stream)
    output = written(fill(seed.code, values), draw_style(stream, given=False))
    return _row(seed, "scaffold", seed.asked["scaffold"], ("", output), values, stream)


def repair_row(seed: Seed, bug: Bug, stream: random.Random) -> CheckedRow:
    """Return the seed broken by ``bug``; the answer is the diff that fixes it."""
    values = draw_values(seed.slots, stream)
    style = draw_style(stream, given=True)
    broken, fixed = (written(fill(code, values), style) for code in (break_code(seed, bug), seed.code))
    return _row(seed, "repair", bug.asks, (broken, diff_with_context(broken, fixed, "init.lua")), values, stream)


def doc_row(seed: Seed, part: Part, stream: random.Random) -> CheckedRow:
    """Return the seed as a request with an excerpt of documentation."""
    values = draw_values(seed.slots, stream)
    output = written(fill(seed.code, values), draw_style(stream, given=False))
    dealt = _row(seed, "doc", part.asks, (fill(part.input, values), output), values, stream)
    return replace(dealt, checks=(*dealt.checks, *filled_checks(part.checks, values)))


def refactor_row(seed: Seed, part: Part, stream: random.Random) -> CheckedRow:
    """Return the seed's inferior version as the input, its program as the answer."""
    values = draw_values(seed.slots, stream)
    style = draw_style(stream, given=True)
    before, after = (written(fill(code, values), style) for code in (part.input, seed.code))
    dealt = _row(seed, "refactor", part.asks, (before, after), values, stream)
    return replace(dealt, checks=(*dealt.checks, *filled_checks(part.checks, values)))


def _row(
    seed: Seed,
    family: str,
    asks: tuple[str, ...],
    texts: tuple[str, str],
    values: dict[str, str],
    stream: random.Random,
) -> CheckedRow:
    form = Form(family, DOMAIN.families[family], FRAMES[family])
    return checked_row(seed, form, asks, texts, values, stream)
