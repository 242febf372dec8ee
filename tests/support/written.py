"""Decoding steps of models that write what a function says: no weights, no tokenizer, the real contract."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence

from eval.pipeline.sampling import GenerationRequest
from training.backends.base import Completion, Drawn, DrawStep


def steps_of(
    requests: Sequence[GenerationRequest], write: Callable[[str, int], Completion]
) -> Generator[DrawStep, None, None]:
    """Yield steps as a batch of all samples makes them: each live row draws a token, each ends with its last one."""
    live = [
        (Drawn(number, sample, write(request.prompt, seed)))
        for number, request in enumerate(requests)
        for sample, seed in enumerate(request.seeds)
    ]
    step = 0
    while live:
        step += 1
        ended = tuple(one for one in live if one.completion.tokens <= step)
        yield DrawStep(len(live), ended)
        live = [one for one in live if one.completion.tokens > step]
