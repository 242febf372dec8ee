"""How much the findings find, and how often they are wrong, on rows of chat that hold real programs."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from eval.domains.roblox.findings import find
from eval.domains.roblox.findings.api import api_findings
from eval.domains.roblox.findings.finding import Finding
from eval.domains.roblox.findings.measuring.inventions import KINDS, Invention, inventions
from eval.domains.roblox.findings.measuring.programs import Program, pairs_in, programs_in
from eval.domains.roblox.findings.program.inference import infer
from eval.domains.roblox.findings.program.tree import NotRead, read

OF_EACH = 100
SEED = 0
PAIRS = "bugfix_pairs.jsonl"


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured.

    Attributes:
        programs: real programs that the grammar reads whole; ``others`` are those it does not.
        named: programs with an API finding, each with its findings: read them to see whether they are right.
        found: of ``invented`` names by kind.
        pairs: bugs with their fixes; ``removed`` have a finding that the fix takes away, ``removed_bugs`` one of kind
            "bug"; ``added`` are fixes with a finding that the bug had not.
        milliseconds: CPU time of all findings of one program on average.
    """

    programs: int
    others: int
    named: tuple[tuple[Program, tuple[Finding, ...]], ...]
    invented: Counter[str]
    found: Counter[str]
    pairs: int
    removed: int
    removed_bugs: int
    added: tuple[str, ...]
    milliseconds: float


def measure(folder: Path) -> Measured:
    """Measure on every program in ``folder``. Raises Refusal where it holds none, or the parser is not installed."""
    programs = list(programs_in(folder))
    whole = [program for program in programs if _is_whole(program.code)]
    started = time.process_time()
    found = [(program, find(program.code)) for program in whole]
    seconds = time.process_time() - started
    drawn = inventions([program.code for program in whole], OF_EACH, SEED)
    pairs = [(find(bug.code), find(fix.code), fix.place) for bug, fix in _pairs(folder)]
    removed = [_kinds(bug) - _kinds(fix) for bug, fix, _ in pairs]
    return Measured(
        programs=len(whole),
        others=len(programs) - len(whole),
        named=tuple((program, api) for program, findings in found if (api := _of_kind(findings, "api"))),
        invented=Counter(each.kind for each in drawn),
        found=Counter(each.kind for each in drawn if _is_found(each)),
        pairs=len(pairs),
        removed=sum(map(bool, removed)),
        removed_bugs=sum(any(kind == "bug" for kind, _ in gone) for gone in removed),
        added=tuple(place for bug, fix, place in pairs if _kinds(fix) - _kinds(bug)),
        milliseconds=1000 * seconds / len(whole) if whole else 0.0,
    )


def lines_of(measured: Measured) -> Iterator[str]:
    """Yield what was measured as lines for a screen."""
    share = 100 * len(measured.named) / max(1, measured.programs)
    pace = f"{measured.milliseconds:.2f} ms each"
    yield f"programs  {measured.programs:,} read whole, {measured.others:,} left out; {pace}"
    yield f"api       {len(measured.named)} of them name something unknown ({share:.2f}%):"
    for program, findings in measured.named:
        yield from (f"          {program.place}  {finding}" for finding in findings)
    total = measured.invented.total()
    by_kind = ", ".join(f"{kind} {measured.found[kind]}/{measured.invented[kind]}" for kind in KINDS)
    found = measured.found.total()
    yield f"invented  {found} of {total} names found ({100 * found / max(1, total):.1f}%)"
    yield f"          {by_kind}"
    yield f"bugs      {measured.removed_bugs} of {measured.pairs} pairs have a bug's finding that the fix removes"
    yield f"          {measured.removed} have one of any kind; added by a fix: {', '.join(measured.added) or 'none'}"


def _is_whole(code: str) -> bool:
    try:
        return read(code).errors == 0
    except NotRead:
        return False


def _pairs(folder: Path) -> list[tuple[Program, Program]]:
    return list(pairs_in(folder / PAIRS)) if (folder / PAIRS).is_file() else []


def _kinds(findings: Sequence[Finding]) -> Counter[tuple[str, str]]:
    return Counter((finding.kind, finding.rule) for finding in findings)


def _of_kind(findings: Sequence[Finding], kind: str) -> tuple[Finding, ...]:
    return tuple(finding for finding in findings if finding.kind == kind)


def _is_found(invention: Invention) -> bool:
    """Whether the invented name is in a finding that the program did not have before."""
    new = _api_texts(invention.after) - _api_texts(invention.before)
    return any(f'"{invention.invented}"' in text for text in new)


def _api_texts(code: str) -> set[str]:
    return {finding.text for finding in api_findings(infer(read(code)))}
