"""From example text to the order in which token rows are trained: pure functions of examples, settings and seed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from env.counts import counted
from env.files import digest
from env.refusal import Refusal
from training.records import Example, TrainSettings

# rows sorted together by length: enough for similar lengths, few enough that the order stays random
_GROUP_BATCHES = 8


class Tokenizers(Protocol):
    """How text becomes tokens: a prompt may get a start token, an answer is followed by ``end_token``.

    ``control`` reads the names of special tokens as those tokens, ``answer`` reads them as text.
    """

    @property
    def end_token(self) -> int: ...
    def prompt(self, text: str) -> list[int]: ...
    def answer(self, text: str) -> list[int]: ...
    def control(self, text: str) -> list[int]: ...


@dataclass(frozen=True, slots=True)
class TokenRow:
    """One example in tokens: ``ids`` is prompt, answer, end token; only what follows ``prompt_length`` is learnt."""

    ids: tuple[int, ...]
    prompt_length: int

    @property
    def parts(self) -> tuple[TokenRow, ...]:
        """The examples that stand side by side in it: itself alone, unless it is packed."""
        return (self,)


@dataclass(frozen=True, slots=True)
class EncodedExamples:
    """The rows that fit, the names of those that did not, and the digest of the examples as given."""

    rows: tuple[TokenRow, ...]
    dropped: tuple[str, ...]
    digest: str


def encode_examples(
    examples: Sequence[Example], tokenizers: Tokenizers, settings: TrainSettings, context: int | None = None
) -> EncodedExamples:
    """Return ``examples`` as token rows in order; rows longer than ``max_length`` or the model's ``context`` (tokens)
    follow ``on_too_long``.

    Prompt and answer are tokenised separately, as in generation: no token spans the border.

    Raises:
        Refusal: there is no example, an answer is empty, a row is too long under "error", or none is short enough.
    """
    if not examples:
        raise Refusal("There is no training example.", "Check the dataset's training file and its filters.")
    limit = settings.max_length if context is None else min(settings.max_length, context)
    rows, dropped = [], []
    for number, example in enumerate(examples):
        name = example.id or f"example {number}"
        row = _encode(example, name, tokenizers)
        if len(row.ids) <= limit:
            rows.append(row)
        else:
            dropped.append(name)
            _refuse_too_long(row, name, settings, limit)
    if not rows:
        raise Refusal(
            f"All {len(examples)} training examples are longer than {_spell_limit(settings, limit)}.",
            "Raise gate.c.train.max_length, or use a model with a longer context.",
        )
    content = [[example.prompt, example.answer, *(["written"] if example.is_written else ())] for example in examples]
    return EncodedExamples(tuple(rows), tuple(dropped), digest(content))


def answer_tokens(rows: Sequence[TokenRow]) -> int:
    """Return how many tokens of ``rows`` are learnt."""
    return sum(len(part.ids) - part.prompt_length for row in rows for part in row.parts)


def epoch_batches(lengths: Sequence[int], batch_size: int, seed: int, epoch: int, grouped: bool) -> list[list[int]]:
    """Return one epoch's batches of row indices; every row is in exactly one, the last may be short.

    Rows are shuffled; with ``grouped``, runs of 8 batches are sorted by length before being cut, and the
    batches shuffled again. The result depends on the arguments alone.
    """
    stream = random.Random(f"rows {seed} {epoch}")
    order = list(range(len(lengths)))
    stream.shuffle(order)
    if not grouped:
        return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    span = batch_size * _GROUP_BATCHES
    batches = []
    for start in range(0, len(order), span):
        group = sorted(order[start : start + span], key=lambda row: lengths[row])
        batches += [group[cut : cut + batch_size] for cut in range(0, len(group), batch_size)]
    stream.shuffle(batches)
    return batches


def step_batches(
    lengths: Sequence[int], settings: TrainSettings, first_step: int
) -> Iterator[tuple[float, list[list[int]]]]:
    """Yield, from ``first_step`` (counted from 1) on, the epoch reached and the batches of one optimizer step.

    Batches follow each other across epochs without end; skipping to a step is exact and costs no training, so the
    step number alone is the data position.
    """
    per_epoch = len(epoch_batches(lengths, settings.batch_size, settings.seed, 0, settings.group_by_length))
    position = (first_step - 1) * settings.grad_accum
    epoch, batches = -1, []
    while True:
        taken = []
        for _ in range(settings.grad_accum):
            if position // per_epoch != epoch:
                epoch = position // per_epoch
                batches = epoch_batches(lengths, settings.batch_size, settings.seed, epoch, settings.group_by_length)
            taken.append(batches[position % per_epoch])
            position += 1
        yield position / per_epoch, taken


def _encode(example: Example, name: str, tokenizers: Tokenizers) -> TokenRow:
    read = tokenizers.control if example.is_written else tokenizers.answer
    prompt, answer = tokenizers.prompt(example.prompt), read(example.answer)
    if not answer:
        raise Refusal(f"Training {name}: its answer is empty.", "Remove the row.")
    if not prompt and example.prompt:
        raise Refusal(f"Training {name}: its prompt is empty.", "Remove the row.")
    # a document begins after the end of another where the tokenizer has no token to begin one
    prompt = prompt or [tokenizers.end_token]
    return TokenRow((*prompt, *answer, *(() if example.is_ended else (tokenizers.end_token,))), len(prompt))


def _refuse_too_long(row: TokenRow, name: str, settings: TrainSettings, limit: int) -> None:
    if settings.on_too_long == "error":
        raise Refusal(
            f"Training {name} has {counted(len(row.ids), 'token')}, more than {_spell_limit(settings, limit)}.",
            "Raise gate.c.train.max_length, shorten the row, or set gate.c.train.on_too_long=drop.",
        )


def _spell_limit(settings: TrainSettings, limit: int) -> str:
    if limit < settings.max_length:
        return f"the model's context of {counted(limit, 'token')}"
    return f"gate.c.train.max_length = {counted(limit, 'token')}"
