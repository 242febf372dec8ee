"""Generating through the library's ``generate``, which unsloth speeds up, with one random stream a sample.

unsloth's fast inference keeps a cache of its own, so prompts are not shared among samples here: each row reads its own.
The library reports nothing until all rows have ended: it works in a thread, whose stopping criterion passes on every
step and ends the work when the next one is not consumed.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from queue import SimpleQueue
from typing import Any

import torch
from torch import Tensor

from training.backends.base import Completion, Sampling
from training.backends.local.batched_model import PromptSamples, RowStep
from training.backends.local.stopping import completed
from training.backends.local.texts import Texts
from training.backends.local.thinking import ThinkingRows, most_tokens
from training.backends.transformers_peft.drawing import draw, uniform_numbers
from training.backends.transformers_peft.generation import stopped_rows


def generate_batch(model: Any, texts: Texts, prompts: Sequence[PromptSamples], settings: Sampling) -> Iterator[RowStep]:
    """Yield each decoding step of the samples of ``prompts``, all of which generate together."""
    steps: SimpleQueue[RowStep | BaseException | None] = SimpleQueue()
    rows = sum(len(prompt.seeds) for prompt in prompts)
    thinking = ThinkingRows(texts, settings, rows) if settings.thinking.max_tokens else None
    watch = _Steps(texts, settings, max(len(prompt.ids) for prompt in prompts), steps, thinking)
    worker = threading.Thread(target=_generate, args=(model, texts, prompts, settings, watch), daemon=True)
    worker.start()
    try:
        while (step := steps.get()) is not None:
            if isinstance(step, BaseException):
                raise step
            yield step
    finally:
        watch.is_left = True
        worker.join()


@torch.inference_mode()
def _generate(model: Any, texts: Texts, prompts: Sequence[PromptSamples], settings: Sampling, watch: _Steps) -> None:
    """Put every step, and what ends them, an error or None, into the queue of ``watch``."""
    rows = [prompt.ids for prompt in prompts for _ in prompt.seeds]
    longest = watch.prompt_length
    ids = torch.tensor([[0] * (longest - len(row)) + list(row) for row in rows])
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])
    seeds = [seed for prompt in prompts for seed in prompt.seeds]
    ends = list(texts.end_tokens)
    try:
        model.generate(
            input_ids=ids.to(model.device),
            attention_mask=mask.to(model.device),
            do_sample=False,
            max_new_tokens=watch.most,
            logits_processor=[_Drawing(seeds, settings, watch)],
            stopping_criteria=[watch],
            eos_token_id=ends,
            pad_token_id=ends[0],
            use_cache=True,
        )
        watch.steps.put(None)
    except BaseException as error:
        watch.steps.put(error)


class _Drawing:
    """A logits processor that draws each row's token and leaves it as the only one, for a greedy search to take."""

    def __init__(self, seeds: Sequence[int], settings: Sampling, watch: _Steps) -> None:
        self._uniforms = uniform_numbers(seeds, watch.most)
        self._settings = settings
        self._prompt_length = watch.prompt_length
        self._thinking = watch.thinking

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Return scores of (rows, vocabulary): 0 for the drawn token, minus infinity for every other."""
        step = input_ids.shape[1] - self._prompt_length
        settings = self._settings
        numbers = self._uniforms[:, step].to(scores.device)
        drawn = draw(scores, numbers, settings.temperature, settings.top_k, settings.top_p)
        if self._thinking is not None:
            following = self._thinking.follow(range(len(drawn)), drawn.tolist())
            drawn = torch.tensor(following, device=drawn.device)
        return torch.full_like(scores, -torch.inf).scatter_(1, drawn[:, None], 0.0)


class _Steps:
    """A stopping criterion that reports each step, and ends every row once the work ``is_left``."""

    def __init__(
        self,
        texts: Texts,
        settings: Sampling,
        prompt_length: int,
        steps: SimpleQueue[RowStep | BaseException | None],
        thinking: ThinkingRows | None,
    ) -> None:
        self.prompt_length = prompt_length
        self.most = most_tokens(texts, settings)
        self.thinking = thinking
        self.steps = steps
        self.is_left = False
        self._texts = texts
        self._settings = settings
        self._ends = torch.tensor(texts.end_tokens)
        self._ended: Tensor | None = None

    def __call__(self, input_ids: Tensor, scores: Any, **_: Any) -> Tensor:
        """Return (rows,) booleans: the rows that have ended, by an end token, a stop string or their length."""
        drawn = input_ids[:, self.prompt_length :].cpu()
        before = torch.zeros(len(drawn), dtype=torch.bool) if self._ended is None else self._ended
        if self.thinking is not None:
            ended = torch.tensor(self.thinking.ended(range(len(drawn)))) | before
        else:
            ended = torch.isin(drawn[:, -1], self._ends) | stopped_rows(self._texts, drawn, self._settings) | before
            ended |= drawn.shape[1] == self.most
        done = tuple((row, self._completion(row, drawn)) for row in (ended & ~before).nonzero()[:, 0].tolist())
        self.steps.put(RowStep(int((~before).sum()), done))
        self._ended = ended
        return (torch.ones_like(ended) if self.is_left else ended).to(input_ids.device)

    def _completion(self, row: int, drawn: Tensor) -> Completion:
        if self.thinking is not None:
            return self.thinking.completion(row)
        return completed(self._texts, drawn[row].tolist(), self._settings)
