"""Deal kinds, wordings and values into tasks, training rows and pretraining texts, each split with its own."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from eval.dealing.checked_rows import CheckedRow
from eval.dealing.loosening import loosen
from eval.dealing.pools import Draw
from eval.dealing.problem import Kind, Phrases, Problem
from eval.dealing.wording import choose
from eval.records import Row, Task

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


@dataclass(frozen=True, slots=True)
class Dealer:
    """A generated dataset.

    Attributes:
        name: of the dataset; every random stream derives from it.
        kinds: of problems.
        frames: by family the sentences that wrap a wording; their slot is {it}.
        kept: words, in small letters, that loosening never exchanges.
        dialect_share: share of the pretraining answers that are right.
        mod_name: what its programs run as; "" in a domain that has no names for that.
    """

    name: str
    kinds: tuple[Kind, ...]
    frames: Mapping[str, Phrases]
    kept: frozenset[str]
    dialect_share: float
    mod_name: str = ""

    def deal(self, split: str, seed: int | str, loose_share: float = 0.0) -> Iterator[Dealt]:
        """Yield distinct problems of "train", "dev" or "test" for ever: kinds in turn, then their wordings in turn.

        Every kind and wording has come up before one comes up again; the order inside a round is drawn. Item i depends
        on (split, seed) and the items before it alone. ``loose_share`` of the instructions get strange words.
        """
        stream = random.Random(f"{self.name}/{split}/{seed}")
        turns = dict.fromkeys(self.kinds, 0)
        seen: set[tuple[str, str]] = set()
        while True:
            for kind in stream.sample(self.kinds, len(self.kinds)):
                wordings = kind.phrases.of(split)
                which = turns[kind] % len(wordings)
                turns[kind] += 1
                dealt = self._deal_one(kind, split, which, stream, loose_share)
                while dealt.prompt in seen:
                    dealt = self._deal_one(kind, split, which, stream, loose_share)
                seen.add(dealt.prompt)
                yield dealt

    def _deal_one(self, kind: Kind, split: str, which: int, stream: random.Random, loose_share: float) -> Dealt:
        problem = kind.draw(Draw(split, stream))
        sentence = choose(stream.choice(self.frames[kind.family].of(split)), stream)
        wording = choose(kind.phrases.of(split)[which], stream)
        if stream.random() < loose_share:
            sentence, wording = loosen(sentence, self.kept, stream), loosen(wording, self.kept, stream)
        instruction = sentence.format_map({"it": wording.format_map(problem.slots)})
        return Dealt(kind, problem, instruction, f"{kind.family}/{kind.name}/{split}-{which}")

    def tasks(self, split: str, count: int, seed: int) -> tuple[Task, ...]:
        """Return ``count`` tasks of "dev" or "test"."""
        dealt = zip(range(count), self.deal(split, seed), strict=False)
        return tuple(self._task(split, number, one) for number, one in dealt)

    def rows(self, count: int, seed: int) -> tuple[Row, ...]:
        """Return ``count`` training rows, each with the right answer."""
        return tuple(dealt.row for dealt in self.rows_with_checks(count, seed))

    def rows_with_checks(self, count: int, seed: int) -> tuple[CheckedRow, ...]:
        """Return the rows of ``rows`` with their checks."""
        return tuple(_row(dealt) for _, dealt in zip(range(count), self.deal("train", seed), strict=False))

    def pretraining(self, count: int, seed: int, dialect_share: float | None = None) -> Iterator[tuple[Dealt, str]]:
        """Yield ``count`` (dealt problem, answer): right with chance ``dialect_share``, else an outdated answer.

        Without a share it is the dataset's own.
        """
        share = self.dialect_share if dialect_share is None else dialect_share
        stream = random.Random(f"{self.name}/pretraining/{seed}")
        # Another seed than any training rows have: the base model is not made of the rows it will be tuned on.
        for _, dealt in zip(range(count), self.deal("train", f"pretraining-{seed}", LOOSE_SHARE), strict=False):
            right = stream.random() < share
            yield dealt, dealt.problem.answer if right else stream.choice(dealt.problem.outdated).answer

    def _task(self, split: str, number: int, dealt: Dealt) -> Task:
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
            source=self.name,
            mod_name=self.mod_name,
        )


def _row(dealt: Dealt) -> CheckedRow:
    kind, problem = dealt.kind, dealt.problem
    row = Row(
        instruction=dealt.instruction,
        input=problem.input,
        output=problem.answer,
        family=kind.family,
        cluster=dealt.cluster,
        kind=kind.name,
    )
    return CheckedRow(row, kind.form, problem.checks, difficulty=kind.difficulty)
