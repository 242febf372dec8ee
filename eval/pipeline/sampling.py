"""Sampling: its settings, the language model protocol, and the per-sample random streams."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Protocol

from annotated_types import Ge, Gt, Le, MinLen

from eval.pipeline.prompts import PromptForm

# Marks of a thought that are found in the model's chat template.
AUTO = "auto"


@dataclass(frozen=True, slots=True)
class ThinkingSettings:
    """How long a model may think before it answers, and by which texts its thought is recognised.

    Attributes:
        max_tokens: of a thought, apart from ``max_new_tokens`` of the answer; 0: the answer follows at once.
        opens: text that a thought begins with; "" where every prompt has begun it. A sample that begins otherwise
            answers at once.
        closes: text after which the answer follows.
        forced: what is written in the model's place once ``max_tokens`` are used up.
    """

    max_tokens: Annotated[int, Ge(0)]
    opens: str
    closes: Annotated[str, MinLen(1)]
    forced: Annotated[str, MinLen(1)]


@dataclass(frozen=True, slots=True)
class SamplingSettings:
    """How completions are drawn, and how many.

    Attributes:
        temperature: 0 is greedy.
        top_k: 0 is off.
        max_new_tokens: of an answer, which ends there.
        thinking: what may come before the answer.
        stop: strings that end an answer too, and are cut from it.
        samples_dev: completions of a dev task; ``samples_test`` of a test task.
        samples_per_call: about so many are drawn by one call, the grain of resume; 0 lets Gate A size it to a minute.
    """

    temperature: Annotated[float, Ge(0)]
    top_p: Annotated[float, Gt(0), Le(1)]
    top_k: Annotated[int, Ge(0)]
    max_new_tokens: Annotated[int, Ge(1)]
    thinking: ThinkingSettings
    stop: tuple[Annotated[str, MinLen(1)], ...]
    samples_dev: Annotated[int, Ge(1)]
    samples_test: Annotated[int, Ge(1)]
    samples_per_call: Annotated[int, Ge(0)]


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One prompt and the seeds of its samples: one completion is returned per seed."""

    prompt: str
    seeds: tuple[int, ...]


class Spent(Protocol):
    """What a sample spent on thinking (structurally equal to ``eval.records.Thought``)."""

    @property
    def tokens(self) -> int: ...
    @property
    def cut(self) -> bool: ...


class Generated(Protocol):
    """What a backend returns for one sample (structurally equal to ``eval.records.Completion``)."""

    @property
    def text(self) -> str: ...
    @property
    def finish(self) -> str: ...
    @property
    def tokens(self) -> int: ...
    @property
    def thought(self) -> Spent | None: ...


class DrawnSample(Protocol):
    """One sample that has ended: number ``sample`` among the seeds of request number ``request``."""

    @property
    def request(self) -> int: ...
    @property
    def sample(self) -> int: ...
    @property
    def completion(self) -> Generated: ...


class DecodingStep(Protocol):
    """The result of one decoding step: the number of tokens, and the samples that ended."""

    @property
    def tokens(self) -> int: ...
    @property
    def ended(self) -> Sequence[DrawnSample]: ...


class LanguageModel(Protocol):
    """A loaded base model; defined here, implemented by training/backends.

    The same requests in the same call give the same completions; each sample draws only from its own seed's stream.
    """

    @property
    def is_batch_exact(self) -> bool:
        """Whether a sample is the same whatever generates beside it."""
        ...

    def draw(
        self, requests: Sequence[GenerationRequest], settings: SamplingSettings
    ) -> Generator[DecodingStep, None, None]:
        """Yield each decoding step, until every seed of every request has its completion.

        Closing it ends the work between two steps, in every process that takes part.
        """
        ...

    def adapter(self, folder: Path, scale: float) -> AbstractContextManager[None]:
        """Apply the adapter in ``folder`` at ``scale`` (1.0 = as trained); restore the base exactly on exit."""
        ...

    def log_prob(self, prompt: str, answer: str) -> float:
        """Return the summed natural-log probability of ``answer`` after ``prompt`` (teacher-forced)."""
        ...

    def apply_chat_template(self, user: str, form: PromptForm) -> str | None:
        """Return the prompt for one user message by the tokenizer's chat template; None when it has none."""
        ...


def sample_seed(run_seed: int, task_id: str, index: int) -> int:
    """Return the seed (63 bits) of one sample's random stream.

    It depends on the run's seed, the task and the sample's index alone, so that the order of units and the batch they
    share change no number, and base and adapter draw with common random numbers (paired comparison).
    """
    text = f"{run_seed}\x1f{task_id}\x1f{index}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big") >> 1
