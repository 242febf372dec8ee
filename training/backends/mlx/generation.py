"""Generating samples: one prefill a prompt, shared by its samples, then one token a row until each has ended.

mlx-lm's batch generator knows no random stream per row and reads a prompt once a sample: this loop draws each sample
from its own seed and reads each prompt once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import mlx.core as mx
import numpy as np

from training.backends.base import Sampling
from training.backends.local.batched_model import PromptSamples, RowStep
from training.backends.local.stopping import completed, completes_stop, stop_window
from training.backends.local.texts import Texts
from training.backends.local.thinking import ThinkingRows, most_tokens
from training.backends.mlx.drawing import Ids, draw, uniform_numbers
from training.backends.mlx.kv_cache import RowCache, new_caches

# positions read at once: bounds the memory of attention scores over long prompts
_PREFILL = 512
# finished rows leave once they are this share of those held: leaving copies the cache
_ENDED_SHARE = 0.125


def generate_batch(
    model: Any, windows: Sequence[int | None], texts: Texts, prompts: Sequence[PromptSamples], settings: Sampling
) -> Iterator[RowStep]:
    """Yield each decoding step of the samples of ``prompts``, all of which generate together.

    Args:
        windows: per layer the positions that it sees; None sees all.
    """
    caches, logits = _prefill(model, windows, prompts)
    repeat = mx.array([number for number, prompt in enumerate(prompts) for _ in prompt.seeds])
    for cache in caches:
        cache.take(repeat)
    seeds = [seed for prompt in prompts for seed in prompt.seeds]
    yield from _decode(model, texts, caches, logits[repeat], seeds, settings)


def _prefill(
    model: Any, windows: Sequence[int | None], prompts: Sequence[PromptSamples]
) -> tuple[list[RowCache], mx.array]:
    """Read every prompt once; return the caches and the next token's logits (prompts, vocabulary)."""
    longest = max(len(prompt.ids) for prompt in prompts)
    padding = [longest - len(prompt.ids) for prompt in prompts]
    ids = mx.array([[0] * before + list(prompt.ids) for before, prompt in zip(padding, prompts, strict=True)])
    caches = new_caches(windows, padding)
    for start in range(0, longest - 1, _PREFILL):
        # mlx computes only what is needed: without the logits the output layer never runs here
        model(ids[:, start : min(start + _PREFILL, longest - 1)], cache=caches)
        mx.eval([(cache.keys, cache.values) for cache in caches])
    return caches, model(ids[:, -1:], cache=caches)[:, -1]


def _decode(
    model: Any, texts: Texts, caches: list[RowCache], logits: mx.array, seeds: Sequence[int], settings: Sampling
) -> Iterator[RowStep]:
    """Draw a token for each row, again and again, until every row has ended."""
    most = most_tokens(texts, settings)
    drawn = np.zeros((len(seeds), most), dtype=np.int64)
    uniforms = uniform_numbers(seeds, most)
    thinking = ThinkingRows(texts, settings, len(seeds)) if settings.thinking.max_tokens else None
    # sample number of each held row; finished ones stay until enough have ended
    held, live = np.arange(len(drawn)), np.ones(len(drawn), dtype=bool)
    for step in range(most):
        ids = draw(logits, uniforms[held, step], settings.temperature, settings.top_k, settings.top_p)
        working = np.flatnonzero(live)
        if thinking is not None:
            samples = held[working].tolist()
            ids[working] = thinking.follow(samples, ids[working].tolist())
            ended = [row for row, is_over in zip(working, thinking.ended(samples), strict=True) if is_over]
            completions = [(int(held[row]), thinking.completion(int(held[row]))) for row in ended]
        else:
            drawn[held[working], step] = ids[working]
            rows = [(row, drawn[held[row], : step + 1]) for row in working]
            over = [(row, own) for row, own in rows if step + 1 == most or _has_ended(texts, own, settings)]
            ended = [row for row, _ in over]
            completions = [(int(held[row]), completed(texts, own.tolist(), settings)) for row, own in over]
        yield RowStep(len(working), tuple(completions))
        live[ended] = False
        if not live.any():
            return
        if (~live).sum() >= _ENDED_SHARE * len(live):
            kept = np.flatnonzero(live)
            for cache in caches:
                cache.take(mx.array(kept))
            held, ids, live = held[kept], ids[kept], live[kept]
        logits = model(mx.array(ids)[:, None], cache=caches)[:, -1]


def _has_ended(texts: Texts, drawn: Ids, settings: Sampling) -> bool:
    """Return whether the latest token of a sample is an end token or completed a stop string."""
    if drawn[-1] in texts.end_tokens:
        return True
    return bool(settings.stop) and completes_stop(texts, drawn[-stop_window(settings.stop) :].tolist(), settings.stop)
