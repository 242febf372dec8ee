"""Sampling: its settings, the language model protocol, and the per-sample random streams."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class SamplingSettings:
    """How one token is sampled.

    ``temperature`` 0 is greedy; ``top_k`` 0 is off; ``top_p`` in (0, 1]; ``stop`` strings end a completion and are
    cut from it; ``max_new_tokens`` bounds it.
    """

    temperature: float
    top_p: float
    top_k: int
    max_new_tokens: int
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One prompt and the seeds of its samples: one completion is returned per seed."""

    prompt: str
    seeds: tuple[int, ...]


class Generated(Protocol):
    """What a backend returns for one sample (structurally equal to ``eval.records.Completion``)."""

    @property
    def text(self) -> str: ...
    @property
    def finish(self) -> str: ...
    @property
    def tokens(self) -> int: ...


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

    def apply_chat_template(self, user: str, system: str, moment: datetime) -> str | None:
        """Return the prompt for one user message by the tokenizer's chat template; None when it has none."""
        ...


def sample_seed(run_seed: int, task_id: str, index: int) -> int:
    """Return the seed (63 bits) of one sample's random stream.

    It depends on the run's seed, the task and the sample's index alone, so that the order of units and the batch they
    share change no number, and base and adapter draw with common random numbers (paired comparison).
    """
    text = f"{run_seed}\x1f{task_id}\x1f{index}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big") >> 1
