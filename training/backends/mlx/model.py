"""One loaded base model: it generates, wears an adapter, scores an answer and trains, all on the same weights."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from env.refusal import Refusal
from training.backends.base import Completion, ModelIdentity, Request, Sampling
from training.backends.batching import Batch, assembled, balanced_rows, halves, plan_batches
from training.backends.mlx.adapters import AdapterShelf, worn
from training.backends.mlx.generation import PromptSamples, generate_batch
from training.backends.mlx.loading import Loaded
from training.backends.mlx.tuning import probe, train_adapter
from training.examples import EncodedExamples, encode_examples
from training.hooks import TrainHooks
from training.records import Example, LoraSettings, ModelSettings, TrainResult, TrainSettings


class MlxModel:
    """A base model held by mlx; see ``training.backends.base.LoadedModel`` for what each method promises."""

    def __init__(self, loaded: Loaded, settings: ModelSettings) -> None:
        self._loaded = loaded
        self._texts = loaded.texts
        self._batch_size = settings.batch_size
        self._processes = settings.processes
        self._shelf = AdapterShelf(loaded.identity.digest)
        self._is_wearing = False
        self.choices = dict(loaded.choices)

    @property
    def identity(self) -> ModelIdentity:
        """Which model this is, by content."""
        return self._loaded.identity

    @property
    def parameters(self) -> int:
        """Parameters of the base model, tied ones counted once."""
        return self._loaded.parameters

    def generate(self, requests: Sequence[Request], settings: Sampling) -> list[list[Completion]]:
        """Return, per request and in order, one completion per seed.

        Raises:
            Refusal: a prompt leaves no room for ``max_new_tokens`` in the model's context, or one row alone does not
                fit into memory.
        """
        finished = dict(self.stream(requests, settings))
        return [finished[number] for number in range(len(requests))]

    def stream(self, requests: Sequence[Request], settings: Sampling) -> Iterator[tuple[int, list[Completion]]]:
        """Yield (request number, its completions) as requests finish."""
        batches = self.plan(requests, settings)
        yield from assembled(requests, ((batch, self.run_batch(requests, batch, settings)) for batch in batches))

    def plan(self, requests: Sequence[Request], settings: Sampling) -> list[Batch]:
        """Return which samples generate together. Raises Refusal when a prompt is too long for the context."""
        lengths = [len(self._texts.prompt(request.prompt)) for request in requests]
        room = self._loaded.context
        for length in lengths:
            if room is not None and length + settings.max_new_tokens > room:
                raise Refusal(
                    f"A prompt of {length} tokens and max_new_tokens = {settings.max_new_tokens} exceed the model's "
                    f"context of {room} tokens.",
                    "Lower max_new_tokens, or shorten the task's input.",
                )
        counts = [len(request.seeds) for request in requests]
        return plan_batches(lengths, counts, balanced_rows(sum(counts), self._batch_size, self._processes))

    def run_batch(self, requests: Sequence[Request], batch: Batch, settings: Sampling) -> list[list[Completion]]:
        """Return the completions of ``batch``, per share; out of memory halves it, for good, and goes on."""
        prompts = [
            PromptSamples(
                tuple(self._texts.prompt(requests[share.request].prompt)),
                tuple(requests[share.request].seeds[sample] for sample in share.samples),
            )
            for share in batch.shares
        ]
        try:
            return generate_batch(self._loaded.model, self._loaded.windows, self._texts, prompts, settings)
        except (RuntimeError, MemoryError) as error:
            if not _is_out_of_memory(error):
                raise
        return self._run_halved(requests, batch, settings)

    @contextmanager
    def adapter(self, folder: Path, scale: float) -> Iterator[None]:
        """Apply the adapter in ``folder`` at ``scale``; the base is restored exactly on exit.

        Raises:
            Refusal: the folder holds no usable adapter, or one of another base.
        """
        if self._is_wearing:
            raise RuntimeError("an adapter is worn already: leave its block first")
        change = self._shelf.take(folder, self._loaded.model)
        self._is_wearing = True
        try:
            with worn(self._loaded.model, change, scale):
                yield
        finally:
            self._is_wearing = False

    def log_prob(self, prompt: str, answer: str) -> float:
        """Return the natural-log probability of ``answer`` after ``prompt``, its end token left out."""
        before, after = self._texts.prompt(prompt), self._texts.answer(answer)
        if not after:
            return 0.0
        ids = mx.array([before + after])
        logits = self._loaded.model(ids)[0, len(before) - 1 : -1].astype(mx.float32)
        chances = nn.log_softmax(logits, axis=-1)
        chosen = mx.take_along_axis(chances, mx.array(after)[:, None], axis=-1)
        return float(np.array(chosen).astype(np.float64).sum())

    def apply_chat_template(self, user: str) -> str | None:
        """Return the prompt for one user message; None when the tokenizer has no chat template."""
        return self._texts.chat(user)

    def train(
        self,
        examples: Sequence[Example],
        lora: LoraSettings,
        train: TrainSettings,
        folder: Path,
        hooks: TrainHooks,
    ) -> TrainResult:
        """Train an adapter into checkpoints under ``folder``, going on from the newest verified one.

        Raises:
            Refusal: settings or examples do not fit the model, or the checkpoints are of another run.
            TrainingDiverged: a loss or gradient was not finite.
        """
        self._require_bare("train")
        return train_adapter(self._loaded, self._encode(examples, train), lora, train, folder, hooks)

    def probe_step(self, examples: Sequence[Example], lora: LoraSettings, train: TrainSettings) -> float:
        """Return the loss of one real forward and backward on the longest rows; nothing is kept.

        Raises:
            Refusal: settings or examples do not fit the model.
        """
        self._require_bare("probe_step")
        return probe(self._loaded, self._encode(examples, train), lora, train)

    def close(self) -> None:
        """Release the model's memory."""
        self.__dict__.clear()
        gc.collect()
        mx.clear_cache()

    def __enter__(self) -> MlxModel:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _run_halved(self, requests: Sequence[Request], batch: Batch, settings: Sampling) -> list[list[Completion]]:
        mx.clear_cache()
        if batch.rows == 1:
            raise Refusal("One sample alone does not fit into memory.", "Lower max_new_tokens, or use a smaller model.")
        self._batch_size = max(1, batch.rows // 2)
        self.choices["batch_size"] = f"{self._batch_size}: memory ran out with {batch.rows} rows"
        done: dict[int, list[Completion]] = {share.request: [] for share in batch.shares}
        for half in halves(batch):
            for share, completions in zip(half.shares, self.run_batch(requests, half, settings), strict=True):
                done[share.request] += completions
        return [done[share.request] for share in batch.shares]

    def _encode(self, examples: Sequence[Example], train: TrainSettings) -> EncodedExamples:
        return encode_examples(examples, self._texts, train, self._loaded.context)

    def _require_bare(self, action: str) -> None:
        if self._is_wearing:
            raise RuntimeError(f"{action} while an adapter is worn: leave its block first")


def _is_out_of_memory(error: BaseException) -> bool:
    """Return whether mlx or Python ran out of memory; mlx says so in words alone (metal::malloc, malloc_or_wait)."""
    text = str(error)
    return isinstance(error, MemoryError) or "malloc" in text or "Insufficient Memory" in text
