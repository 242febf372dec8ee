"""Generating through the library's ``generate``, which unsloth speeds up, with one random stream a sample.

unsloth's fast inference keeps a cache of its own, so prompts are not shared among samples here: each row reads its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from training.backends.base import Completion, Sampling
from training.backends.local.batched_model import PromptSamples
from training.backends.local.stopping import completed
from training.backends.local.texts import Texts
from training.backends.transformers_peft.drawing import draw, uniform_numbers
from training.backends.transformers_peft.generation import stopped_rows


@torch.inference_mode()
def generate_batch(
    model: Any, texts: Texts, prompts: Sequence[PromptSamples], settings: Sampling
) -> list[list[Completion]]:
    """Return, per prompt and in order, one completion per seed; all of them generate together."""
    rows = [prompt.ids for prompt in prompts for _ in prompt.seeds]
    longest = max(len(ids) for ids in rows)
    ids = torch.tensor([[0] * (longest - len(row)) + list(row) for row in rows])
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])
    seeds = [seed for prompt in prompts for seed in prompt.seeds]
    ends = list(texts.end_tokens)
    written = model.generate(
        input_ids=ids.to(model.device),
        attention_mask=mask.to(model.device),
        do_sample=False,
        max_new_tokens=settings.max_new_tokens,
        logits_processor=[_Drawing(seeds, settings, longest)],
        stopping_criteria=[_StopStrings(texts, settings, longest)],
        eos_token_id=ends,
        pad_token_id=ends[0],
        use_cache=True,
    )[:, longest:].cpu()
    done = iter([completed(texts, _own(row, texts, settings), settings) for row in written])
    return [[next(done) for _ in prompt.seeds] for prompt in prompts]


class _Drawing:
    """A logits processor that draws each row's token and leaves it as the only one, for a greedy search to take."""

    def __init__(self, seeds: Sequence[int], settings: Sampling, prompt_length: int) -> None:
        self._uniforms = uniform_numbers(seeds, settings.max_new_tokens)
        self._settings = settings
        self._prompt_length = prompt_length

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Return scores of (rows, vocabulary): 0 for the drawn token, minus infinity for every other."""
        step = input_ids.shape[1] - self._prompt_length
        settings = self._settings
        numbers = self._uniforms[:, step].to(scores.device)
        drawn = draw(scores, numbers, settings.temperature, settings.top_k, settings.top_p)
        return torch.full_like(scores, -torch.inf).scatter_(1, drawn[:, None], 0.0)


class _StopStrings:
    """A stopping criterion: which rows have completed a stop string with their latest token."""

    def __init__(self, texts: Texts, settings: Sampling, prompt_length: int) -> None:
        self._texts = texts
        self._settings = settings
        self._prompt_length = prompt_length

    def __call__(self, input_ids: Tensor, scores: Any, **_: Any) -> Tensor:
        """Return (rows,) booleans."""
        drawn = input_ids[:, self._prompt_length :].cpu()
        return stopped_rows(self._texts, drawn, self._settings).to(input_ids.device)


def _own(row: Tensor, texts: Texts, settings: Sampling) -> list[int]:
    """Return a row's own tokens: what the batch appended after its end is left out."""
    ids: list[int] = row.tolist()
    for position, token in enumerate(ids, start=1):
        if token in texts.end_tokens:
            return ids[:position]
        if settings.stop and bool(stopped_rows(texts, row[None, :position], settings)[0]):
            return ids[:position]
    return ids
