"""Known answers that nothing has to execute: their verdicts are made up, half of them right."""

from __future__ import annotations

from eval.judge.answers import Answer, Pair, pair
from eval.judge.calibration import Known
from gates.judging.pool import Pool

# Which verdicts a pair's two programs have, in turn: half of the pairs one right program, a quarter two, a quarter none.
VERDICTS = ((True, False), (True, True), (False, True), (False, False))


def known_pairs(count: int) -> tuple[list[Known], list[Pair]]:
    """Return known answers in pairs; the length of a program says nothing of its verdict."""
    known, pairs = [], []
    for number in range(count // 2):
        verdicts = VERDICTS[number % 4]
        both = [Answer(f"task {number}", "", f"{number}{'xy'[place]}" * (1 + number % 7 + place)) for place in (0, 1)]
        known += [Known(answer, verdict) for answer, verdict in zip(both, verdicts, strict=True)]
        pairs.append(pair(*both))
    return known, pairs


def made_up_pool(count: int = 240) -> Pool:
    known, pairs = known_pairs(count)
    return Pool(tuple(pairs), tuple(known), "made up", "nobody")
