"""Seeds into training rows: every family and kind in turn, each row with the checks its answer passes."""

from __future__ import annotations

import difflib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from env.refusal import Refusal
from eval.domains.luanti.domain import DOMAIN
from eval.domains.luanti.mod_names import DEFAULT_MOD
from eval.domains.luanti.rows.filling import draw_style, draw_values, fill, written
from eval.domains.luanti.rows.seed_files import Bug, Part, Seed, read_seeds
from eval.records import Row, Task, TaskCheck

TRIES = 60
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


@dataclass(frozen=True, slots=True)
class CheckedRow:
    """A training row and the executable checks that its answer passes; ``input`` unchanged must fail them."""

    row: Row
    checks: tuple[TaskCheck, ...]

    def task(self, number: int) -> Task:
        """Return the row as a task, so that the benchmark's own code can verify its answer."""
        row = self.row
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
            checks=self.checks,
            source="luanti_rows",
            mod_name=DEFAULT_MOD,
        )


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
    dealt = [row for _, row in zip(range(n), _deal(read_seeds(), seed), strict=False)]
    if len(dealt) < n:
        raise Refusal(f"rows: {n} were requested, the seeds give about {len(dealt)}.", f"Use {len(dealt)}.")
    return tuple(dealt)


def _deal(seeds: tuple[Seed, ...], seed: int) -> Iterator[CheckedRow]:
    """Yield distinct rows: in every round one of each kind and family, whose seeds take turns, until none is left."""
    stream = random.Random(f"luanti_rows/{seed}")
    turns = {cell: list(tellers) for cell, tellers in _cells(seeds).items()}
    seen: set[tuple[str, str]] = set()
    while turns:
        for cell in stream.sample(sorted(turns), len(turns)):
            row = _next_row(turns[cell], seen, stream)
            if row is None:
                del turns[cell]
            else:
                yield row


Teller = Callable[[random.Random], CheckedRow]


def _next_row(tellers: list[Teller], seen: set[tuple[str, str]], stream: random.Random) -> CheckedRow | None:
    """Return a new row from the first source that has one, and move that source to the end; None when none has."""
    while tellers:
        teller = tellers.pop(0)
        for _ in range(TRIES):
            dealt = teller(stream)
            key = (_words(dealt.row.input), _words(dealt.row.output))
            if key not in seen:
                seen.add(key)
                tellers.append(teller)
                return dealt
    return None


def _words(text: str) -> str:
    """Return ``text`` as rows are compared: two indentations of one program are the same program."""
    return " ".join(text.split())


def _cells(seeds: tuple[Seed, ...]) -> dict[tuple[str, str], list[Teller]]:
    """Return the sources of rows of each kind and family: a seed each; for repair a bug each, first bugs first."""
    cells: dict[tuple[str, str], list[tuple[int, Teller]]] = {}
    for seed in seeds:
        for family in DOMAIN.families:
            for turn, teller in enumerate(_tellers(seed, family)):
                cells.setdefault((seed.kind, family), []).append((turn, teller))
    return {cell: [teller for _, teller in sorted(told, key=lambda one: one[0])] for cell, told in cells.items()}


def _tellers(seed: Seed, family: str) -> list[Teller]:
    if family == "scaffold":
        return [lambda stream: scaffold_row(seed, stream)] if seed.scaffold else []
    if family == "repair":
        return [lambda stream, bug=bug: repair_row(seed, bug, stream) for bug in seed.bugs]  # type: ignore[misc]
    if family == "doc":
        part = seed.doc
        return [lambda stream: doc_row(seed, part, stream)] if part else []
    after = seed.refactor
    return [lambda stream: refactor_row(seed, after, stream)] if after else []


def scaffold_row(seed: Seed, stream: random.Random) -> CheckedRow:
    """Return the seed as a request for its program."""
    values = draw_values(seed.slots, stream)
    output = written(fill(seed.code, values), draw_style(stream, given=False))
    return _row(seed, "scaffold", seed.scaffold, "", output, values, stream)


def repair_row(seed: Seed, bug: Bug, stream: random.Random) -> CheckedRow:
    """Return the seed broken by ``bug``; the answer is the diff that fixes it."""
    values = draw_values(seed.slots, stream)
    style = draw_style(stream, given=True)
    broken, fixed = (written(fill(code, values), style) for code in (break_code(seed, bug), seed.code))
    return _row(seed, "repair", bug.asks, broken, unified_diff(broken, fixed), values, stream)


def break_code(seed: Seed, bug: Bug) -> str:
    """Return the seed's code with the bug in it. Raises ValueError unless each replaced text occurs exactly once."""
    code = seed.code
    for old, new in bug.swaps:
        if code.count(old) != 1:
            raise ValueError(f"{seed.cluster}: {old!r} occurs {code.count(old)} times in its code")
        code = code.replace(old, new)
    return code


def doc_row(seed: Seed, part: Part, stream: random.Random) -> CheckedRow:
    """Return the seed as a request with an excerpt of documentation."""
    values = draw_values(seed.slots, stream)
    output = written(fill(seed.code, values), draw_style(stream, given=False))
    dealt = _row(seed, "doc", part.asks, fill(part.input, values), output, values, stream)
    return replace(dealt, checks=(*dealt.checks, *_filled(part.checks, values)))


def refactor_row(seed: Seed, part: Part, stream: random.Random) -> CheckedRow:
    """Return the seed's inferior version as the input, its program as the answer."""
    values = draw_values(seed.slots, stream)
    style = draw_style(stream, given=True)
    before, after = (written(fill(code, values), style) for code in (part.input, seed.code))
    dealt = _row(seed, "refactor", part.asks, before, after, values, stream)
    return replace(dealt, checks=(*dealt.checks, *_filled(part.checks, values)))


def unified_diff(broken: str, fixed: str) -> str:
    """Return the unified diff, with three lines of context, that turns ``broken`` into ``fixed``."""
    old, new = broken.splitlines(keepends=True), fixed.splitlines(keepends=True)
    return "".join(difflib.unified_diff(old, new, "init.lua", "init.lua"))


def _row(
    seed: Seed,
    family: str,
    asks: tuple[str, ...],
    given: str,
    output: str,
    values: dict[str, str],
    stream: random.Random,
) -> CheckedRow:
    frame = stream.choice(FRAMES[family])
    instruction = frame.format(it=fill(" ".join(stream.choice(asks).split()), values))
    row = Row(instruction, given, output, family, cluster=seed.cluster, kind=seed.kind)
    return CheckedRow(row, _filled(seed.checks, values))


def _filled(checks: tuple[TaskCheck, ...], values: dict[str, str]) -> tuple[TaskCheck, ...]:
    return tuple(replace(check, lua=fill(check.lua, values)) for check in checks)
