"""Deal kinds, wordings and values into tasks, training rows and pretraining texts, each split with its own."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from eval.domains.luanti.mini import frames
from eval.domains.luanti.mini.kinds import KINDS
from eval.domains.luanti.mini.loosening import loosen
from eval.domains.luanti.mini.pools import Draw
from eval.domains.luanti.mini.problem import Kind, Problem
from eval.domains.luanti.mini.wording import choose
from eval.domains.luanti.mod_names import DEFAULT_MOD
from eval.records import Row, Task

FRAMES = {"scaffold": frames.SCAFFOLD, "repair": frames.REPAIR, "doc": frames.DOC}
DIALECT_SHARE = 0.2
LOOSE_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Dealt:
    """One problem with the sentence that requests it; ``cluster`` is its family, kind and wording."""

    kind: Kind
    problem: Problem
    instruction: str
    cluster: str

    @property
    def prompt(self) -> tuple[str, str]:
        """What makes two dealt problems the same question."""
        return self.instruction, self.problem.input


def deal(split: str, seed: int | str, loose_share: float = 0.0) -> Iterator[Dealt]:
    """Yield distinct problems of "train", "dev" or "test" for ever: kinds in turn, then their wordings in turn.

    Every kind and wording has come up before one comes up again; the order inside a round is drawn. Item i depends on
    (split, seed) and the items before it alone. ``loose_share`` of the instructions get strange words.
    """
    stream = random.Random(f"luanti_mini/{split}/{seed}")
    turns = dict.fromkeys(KINDS, 0)
    seen: set[tuple[str, str]] = set()
    while True:
        for kind in stream.sample(KINDS, len(KINDS)):
            wordings = kind.phrases.of(split)
            which = turns[kind] % len(wordings)
            turns[kind] += 1
            dealt = _deal_one(kind, split, which, stream, loose_share)
            while dealt.prompt in seen:
                dealt = _deal_one(kind, split, which, stream, loose_share)
            seen.add(dealt.prompt)
            yield dealt


def _deal_one(kind: Kind, split: str, which: int, stream: random.Random, loose_share: float) -> Dealt:
    problem = kind.draw(Draw(split, stream))
    sentence = choose(stream.choice(FRAMES[kind.family].of(split)), stream)
    wording = choose(kind.phrases.of(split)[which], stream)
    if stream.random() < loose_share:
        sentence, wording = loosen(sentence, stream), loosen(wording, stream)
    instruction = sentence.format_map({"it": wording.format_map(problem.slots)})
    return Dealt(kind, problem, instruction, f"{kind.family}/{kind.name}/{split}-{which}")


def tasks(split: str, count: int, seed: int) -> tuple[Task, ...]:
    """Return ``count`` tasks of "dev" or "test"."""
    return tuple(_task(split, number, dealt) for number, dealt in zip(range(count), deal(split, seed), strict=False))


def rows(count: int, seed: int) -> tuple[Row, ...]:
    """Return ``count`` training rows, each with the right answer."""
    return tuple(_row(dealt) for _, dealt in zip(range(count), deal("train", seed), strict=False))


def pretraining(count: int, seed: int, dialect_share: float = DIALECT_SHARE) -> Iterator[tuple[Dealt, str]]:
    """Yield ``count`` (dealt problem, answer): right with chance ``dialect_share``, else one of the outdated answers."""
    stream = random.Random(f"luanti_mini/pretraining/{seed}")
    # Another seed than any training rows have: the base model is not made of the rows it will be tuned on.
    for _, dealt in zip(range(count), deal("train", f"pretraining-{seed}", LOOSE_SHARE), strict=False):
        right = stream.random() < dialect_share
        yield dealt, dealt.problem.answer if right else stream.choice(dealt.problem.outdated).answer


def _task(split: str, number: int, dealt: Dealt) -> Task:
    kind, problem = dealt.kind, dealt.problem
    return Task(
        id=f"{split}-{number:03d}-{kind.family}-{kind.name}",
        family=kind.family,
        kind=kind.name,
        cluster=dealt.cluster,
        split="dev" if split == "dev" else "test",
        instruction=dealt.instruction,
        input=problem.input,
        answer=kind.form,
        reference=problem.answer,
        checks=problem.checks,
        near_misses=(*problem.outdated, *problem.slips),
        difficulty=kind.difficulty,
        source="luanti_mini",
        mod_name=DEFAULT_MOD,
    )


def _row(dealt: Dealt) -> Row:
    kind, problem = dealt.kind, dealt.problem
    return Row(
        instruction=dealt.instruction,
        input=problem.input,
        output=problem.answer,
        family=kind.family,
        cluster=dealt.cluster,
        kind=kind.name,
    )
