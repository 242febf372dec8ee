"""The pretraining texts as token batches: read, encoded, grouped by length, shuffled."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerFast


@dataclass(frozen=True, slots=True)
class Text:
    """One text: the prompt a model reads and the answer it should write."""

    prompt: str
    answer: str


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids of prompt, answer and end token; the answer starts at ``prompt_tokens``."""

    ids: tuple[int, ...]
    prompt_tokens: int


def read_texts(path: Path) -> list[Text]:
    """Return the texts of a JSON-lines file with the keys prompt and answer."""
    with path.open(encoding="utf-8") as lines:
        return [Text(**json.loads(line)) for line in lines]


def encode(texts: list[Text], tokenizer: PreTrainedTokenizerFast) -> list[Encoded]:
    """Return the texts as tokens, each ended by the end token."""
    prompts = tokenizer([text.prompt for text in texts])["input_ids"]
    answers = tokenizer([text.answer for text in texts])["input_ids"]
    end = tokenizer.eos_token_id
    return [Encoded((*prompt, *answer, end), len(prompt)) for prompt, answer in zip(prompts, answers, strict=True)]


def batches(encoded: list[Encoded], size: int, stream: random.Random) -> list[list[Encoded]]:
    """Return one epoch: batches of texts of like length (little padding), in random order."""
    order = sorted(encoded, key=lambda text: (len(text.ids), stream.random()))
    cut = [order[start : start + size] for start in range(0, len(order), size)]
    stream.shuffle(cut)
    return cut


def tensors(batch: list[Encoded], pad: int, prompt_weight: float) -> tuple[Tensor, Tensor]:
    """Return token ids and loss weights, both (texts, longest): padded on the right, padding weighs 0.

    The answer and its end token weigh 1, the prompt ``prompt_weight``.
    """
    import torch

    longest = max(len(text.ids) for text in batch)
    ids = torch.full((len(batch), longest), pad)
    weights = torch.zeros(len(batch), longest)
    for row, text in enumerate(batch):
        ids[row, : len(text.ids)] = torch.tensor(text.ids)
        weights[row, : text.prompt_tokens] = prompt_weight
        weights[row, text.prompt_tokens : len(text.ids)] = 1.0
    return ids, weights


def epochs(encoded: list[Encoded], size: int, seed: int) -> Iterator[list[Encoded]]:
    """Yield batches for ever, epoch by epoch, each epoch grouped and shuffled again."""
    stream = random.Random(f"epochs/{seed}")
    while True:
        yield from batches(encoded, size, stream)
