"""Generating samples: one prefill a prompt, shared by its samples, then one token a row until each has ended.

The library's ``generate`` takes no random stream per row, pads every sample with its own prompt, and keeps finished
rows, and reports nothing until all have ended: this loop draws each sample from its own seed, drops rows as they end,
    and
can be left between two steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from training.backends.base import Sampling
from training.backends.local.batched_model import PromptSamples, RowStep
from training.backends.local.stopping import completed, completes_stop, stop_window
from training.backends.local.texts import Texts
from training.backends.local.thinking import ThinkingRows, most_tokens
from training.backends.transformers_peft.drawing import draw, uniform_numbers
from training.backends.transformers_peft.kv_cache import keep_rows, new_cache, repeat_rows


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows still generating.

    Attributes:
        origin: (rows,) where each was in the batch.
        padding: (rows,) positions before its prompt begins.
        uniforms: (rows, most tokens of a sample).
        mask: (rows, capacity) 1 where a position may be seen.
    """

    origin: Tensor
    padding: Tensor
    uniforms: Tensor
    mask: Tensor

    def take(self, order: Tensor) -> _Rows:
        on_device = order.to(self.mask.device)
        uniforms = self.uniforms[order.to(self.uniforms.device)]
        return _Rows(self.origin[order], self.padding[on_device], uniforms, self.mask[on_device])


@torch.inference_mode()
def generate_batch(model: Any, texts: Texts, prompts: Sequence[PromptSamples], settings: Sampling) -> Iterator[RowStep]:
    """Yield each decoding step of the samples of ``prompts``, all of which generate together."""
    most = most_tokens(texts, settings)
    cache = new_cache(model.config.get_text_config())
    logits, rows = _prefill(model, cache, prompts, most)
    yield from _decode(model, texts, cache, logits, rows, settings)


def _prefill(model: Any, cache: Any, prompts: Sequence[PromptSamples], most: int) -> tuple[Tensor, _Rows]:
    """Read every prompt once; return the next token's logits and the rows, both repeated for each sample.

    ``most``: tokens that a sample may take.
    """
    device = model.device
    # Apple GPUs have no float64, in which tokens are drawn
    draw_device = "cpu" if device.type == "mps" else device
    longest = max(len(prompt.ids) for prompt in prompts)
    padding = torch.tensor([longest - len(prompt.ids) for prompt in prompts])
    ids = torch.tensor([[0] * (longest - len(prompt.ids)) + list(prompt.ids) for prompt in prompts])
    seen = (torch.arange(longest) >= padding[:, None]).long()
    logits = model(
        input_ids=ids.to(device),
        attention_mask=seen.to(device) if bool(padding.any()) else None,
        position_ids=(torch.arange(longest) - padding[:, None]).clamp(min=0).to(device),
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    ).logits[:, -1]
    counts = torch.tensor([len(prompt.seeds) for prompt in prompts])
    repeat = torch.arange(len(prompts)).repeat_interleave(counts)
    repeat_rows(cache, repeat.to(device))
    mask = torch.ones(len(repeat), longest + most, dtype=torch.long)
    mask[:, :longest] = seen[repeat]
    seeds = [seed for prompt in prompts for seed in prompt.seeds]
    rows = _Rows(
        origin=torch.arange(len(repeat)),
        padding=padding[repeat].to(device),
        uniforms=uniform_numbers(seeds, most).to(draw_device),
        mask=mask.to(device),
    )
    return logits[repeat.to(device)], rows


def _decode(model: Any, texts: Texts, cache: Any, logits: Tensor, rows: _Rows, settings: Sampling) -> Iterator[RowStep]:
    """Draw a token for each row, again and again, until every row has ended."""
    most = rows.uniforms.shape[1]
    drawn = torch.zeros(len(rows.origin), most, dtype=torch.long)
    ends = torch.tensor(texts.end_tokens)
    padded = bool(rows.padding.any())
    thinking = ThinkingRows(texts, settings, len(rows.origin)) if settings.thinking.max_tokens else None
    for step in range(most):
        numbers = rows.uniforms[:, step]
        ids = draw(logits.to(numbers.device), numbers, settings.temperature, settings.top_k, settings.top_p)
        if thinking is not None:
            held = rows.origin.tolist()
            ids = torch.tensor(thinking.follow(held, ids.tolist()), device=ids.device)
            ended = torch.tensor(thinking.ended(held))
            completions = [(row, thinking.completion(row)) for row in rows.origin[ended].tolist()]
        else:
            drawn[rows.origin, step] = ids.cpu()
            so_far = drawn[rows.origin, : step + 1]
            ended = torch.isin(so_far[:, -1], ends) | stopped_rows(texts, so_far, settings)
            ended |= step + 1 == most
            done = zip(rows.origin[ended].tolist(), so_far[ended].tolist(), strict=True)
            completions = [(row, completed(texts, own, settings)) for row, own in done]
        yield RowStep(len(ids), tuple(completions))
        if bool(ended.all()):
            return
        if bool(ended.any()):
            order = keep_rows(cache, ~ended)
            rows, ids = rows.take(order), ids[order.to(ids.device)]
        logits = _next_logits(model, cache, ids, rows, padded)


def _next_logits(model: Any, cache: Any, ids: Tensor, rows: _Rows, padded: bool) -> Tensor:
    """Return the logits (rows, vocabulary) after one more token a row."""
    length = cache.get_seq_length()
    logits: Tensor = model(
        input_ids=ids[:, None].to(model.device),
        attention_mask=rows.mask[:, : length + 1] if padded else None,
        position_ids=(length - rows.padding)[:, None],
        past_key_values=cache,
        use_cache=True,
    ).logits[:, -1]
    return logits


def stopped_rows(texts: Texts, drawn: Tensor, settings: Sampling) -> Tensor:
    """Return per row whether its latest token completed a stop string."""
    if not settings.stop:
        return torch.zeros(len(drawn), dtype=torch.bool)
    tails = drawn[:, -stop_window(settings.stop) :].tolist()
    return torch.tensor([completes_stop(texts, tail, settings.stop) for tail in tails], dtype=torch.bool)
