"""What every loaded model does the same way: plan batches, halve them out of memory, apply one adapter, train."""

from __future__ import annotations

import gc
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

from env.machine.out_of_memory import DeviceLost, ran_out_of_memory
from env.refusal import Refusal
from training.backends.base import (
    ChatFacts,
    Completion,
    Drawn,
    DrawStep,
    ModelIdentity,
    PromptForm,
    RenderedTurn,
    Request,
    Sampling,
)
from training.backends.local.batching import Batch, balanced_rows, halves, plan_batches, without
from training.backends.local.texts import Texts
from training.backends.local.thinking import most_tokens
from training.backends.local.training_loop import Learner, TrainingRun, probe_longest, train_from_newest
from training.examples import EncodedExamples, encode_examples
from training.hooks import TrainHooks
from training.records import Example, LoraSettings, ModelSettings, TrainResult, TrainSettings


@dataclass(frozen=True, slots=True)
class PromptSamples:
    """One prompt in tokens and the seeds of its samples."""

    ids: tuple[int, ...]
    seeds: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RowStep:
    """The result of one decoding step of a batch: new tokens, and (row, completion) of the samples that ended.

    Rows count through the prompts in order, and through the seeds of each.
    """

    tokens: int
    ended: tuple[tuple[int, Completion], ...] = ()


class LoadedBase(Protocol):
    """What loading returns in every backend; ``context`` None is unknown."""

    @property
    def texts(self) -> Texts: ...
    @property
    def identity(self) -> ModelIdentity: ...
    @property
    def choices(self) -> dict[str, str]: ...
    @property
    def parameters(self) -> int: ...
    @property
    def context(self) -> int | None: ...
    @property
    def is_batch_exact(self) -> bool: ...


class DrawnModel(ABC):
    """A loaded model whose samples come by decoding steps: what follows from ``draw`` and ``close``."""

    @abstractmethod
    def draw(self, requests: Sequence[Request], settings: Sampling) -> Generator[DrawStep, None, None]:
        """Yield each decoding step."""

    @abstractmethod
    def close(self) -> None:
        """Release the model."""

    def generate(self, requests: Sequence[Request], settings: Sampling) -> list[list[Completion]]:
        """Return, per request and in order, one completion per seed.

        Raises:
            Refusal: a prompt leaves no room for ``max_new_tokens`` in the model's context, or one row alone does not
                fit into memory.
        """
        drawn = {
            (one.request, one.sample): one.completion for step in self.draw(requests, settings) for one in step.ended
        }
        return [
            [drawn[number, sample] for sample in range(len(request.seeds))] for number, request in enumerate(requests)
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class BatchedModel(DrawnModel):
    """A base model in memory; see ``training.backends.base.LoadedModel`` for what each method promises.

    A backend's model defines how one batch is generated, how an adapter is applied, how it trains a step, and what
    running out of memory looks like; scoring is separate.
    """

    def __init__(self, base: LoadedBase, settings: ModelSettings) -> None:
        self._base = base
        self._texts = base.texts
        self._batch_size = settings.batch_sizes[-1]
        self._processes = settings.processes
        self._is_wearing = False
        self.choices = dict(base.choices)

    @property
    def identity(self) -> ModelIdentity:
        """Which model this is, by content."""
        return self._base.identity

    @property
    def parameters(self) -> int:
        """Parameters of the base model, tied ones counted once."""
        return self._base.parameters

    @property
    def is_batch_exact(self) -> bool:
        """Whether a sample is the same whatever generates beside it."""
        return self._base.is_batch_exact

    def draw(self, requests: Sequence[Request], settings: Sampling) -> Generator[DrawStep, None, None]:
        """Yield each decoding step, one batch after the other. Raises as ``generate``."""
        for batch in self.plan(requests, settings):
            yield from self.run_batch(requests, batch, settings)

    def plan(self, requests: Sequence[Request], settings: Sampling) -> list[Batch]:
        """Return which samples generate together. Raises Refusal when a prompt is too long for the context."""
        lengths = [len(self._texts.prompt(request.prompt)) for request in requests]
        room = self._base.context
        most = most_tokens(self._texts, settings)
        for length in lengths:
            if room is not None and length + most > room:
                thought = " with the thought before it" if settings.thinking.max_tokens else ""
                raise Refusal(
                    f"A prompt of {length} tokens and max_new_tokens = {settings.max_new_tokens}{thought} exceed the "
                    f"model's context of {room} tokens.",
                    "Lower max_new_tokens, or shorten the task's input.",
                )
        counts = [len(request.seeds) for request in requests]
        return plan_batches(lengths, counts, balanced_rows(sum(counts), self._batch_size, self._processes))

    def run_batch(self, requests: Sequence[Request], batch: Batch, settings: Sampling) -> Iterator[DrawStep]:
        """Yield the decoding steps of ``batch``; out of memory halves the rest of it, and the batch size for good."""
        prompts = [
            PromptSamples(
                tuple(self._texts.prompt(requests[share.request].prompt)),
                tuple(requests[share.request].seeds[sample] for sample in share.samples),
            )
            for share in batch.shares
        ]
        members, ended = batch.members, set[tuple[int, int]]()
        try:
            for step in self._generate_together(prompts, settings):
                drawn = tuple(Drawn(*members[row], completion) for row, completion in step.ended)
                ended.update((one.request, one.sample) for one in drawn)
                yield DrawStep(step.tokens, drawn)
            return
        except (RuntimeError, MemoryError) as error:
            if not ran_out_of_memory(error):
                raise
            why = str(error).strip().split("\n")[0][:200]
        if batch.rows == 1:
            raise Refusal("One sample alone does not fit into memory.", "Lower max_new_tokens, or use a smaller model.")
        self._recover(batch.rows, why)
        left = without(batch, ended)
        if left.rows:
            yield from self._run_halved(requests, left, settings)

    @contextmanager
    def adapter(self, folder: Path, scale: float) -> Iterator[None]:
        """Apply the adapter in ``folder`` at ``scale``; the base is restored exactly on exit.

        Raises:
            Refusal: the folder holds no usable adapter, or one for another base.
        """
        if self._is_wearing:
            raise RuntimeError("an adapter is already applied: leave its block first")
        wearing = self._worn(folder, scale)
        self._is_wearing = True
        try:
            with wearing:
                yield
        finally:
            self._is_wearing = False

    def train(
        self,
        examples: Sequence[Example],
        lora: LoraSettings,
        train: TrainSettings,
        folder: Path,
        hooks: TrainHooks,
        start: Path | None = None,
    ) -> TrainResult:
        """Train an adapter into checkpoints under ``folder``, resuming from the newest verified one.

        ``start``: the checkpoint that the first step continues with; None: a fresh adapter.

        Raises:
            Refusal: settings or examples do not fit the model, or the checkpoints belong to another run.
            TrainingDiverged: a loss or gradient was not finite.
        """
        self._require_bare("train")
        data, sizes = self._encode(examples, train), self._adapter_sizes(lora)
        run = TrainingRun(data, lora, train, self.identity.digest, sizes, folder, hooks, start)
        return train_from_newest(run, self._learning(lora, train))

    def encoded(self, examples: Sequence[Example], train: TrainSettings) -> EncodedExamples:
        """Return the examples as they would train: token rows that fit, and the names of those that do not.

        Raises:
            Refusal: as ``training.examples.encode_examples``.
        """
        return self._encode(examples, train)

    def probe_step(self, examples: Sequence[Example], lora: LoraSettings, train: TrainSettings) -> float:
        """Return the loss of one real forward and backward on the longest rows; nothing is kept.

        Raises:
            Refusal: settings or examples do not fit the model.
        """
        self._require_bare("probe_step")
        return probe_longest(self._encode(examples, train), train.batch_size, self._learning(lora, train))

    def apply_chat_template(self, user: str, form: PromptForm) -> str | None:
        """Return the prompt for one user message; None when the tokenizer has no chat template."""
        return self._texts.chat(user, form)

    def chat_facts(self, form: PromptForm) -> ChatFacts | None:
        """Return what the chat template writes around an answer; None when the tokenizer has no chat template."""
        return self._texts.chat_facts(form)

    def chat_turn(
        self,
        before: Sequence[Mapping[str, Any]],
        answer: Mapping[str, Any],
        tools: Sequence[Mapping[str, Any]],
        form: PromptForm,
    ) -> RenderedTurn | None:
        """Return one turn of a conversation by the chat template; None where there is none."""
        return self._texts.chat_turn(before, answer, tools, form)

    def answer_tokens(self, text: str) -> int:
        """Return how many tokens ``text`` takes as an answer, its end token included."""
        return len(self._texts.answer(text)) + 1

    def close(self) -> None:
        """Release the model's memory."""
        self.__dict__.clear()
        gc.collect()
        self._free_memory()

    @abstractmethod
    def _generate_together(self, prompts: Sequence[PromptSamples], settings: Sampling) -> Iterator[RowStep]:
        """Yield each decoding step of the samples of ``prompts``, all of which generate together."""

    @abstractmethod
    def _worn(self, folder: Path, scale: float) -> AbstractContextManager[Any]:
        """Return the context in which the model computes with an adapter, which was read and checked now."""

    @abstractmethod
    def _adapter_sizes(self, lora: LoraSettings) -> dict[str, int]:
        """Return the elements of every parameter that ``lora`` trains, by its name on disk; misfits are refused."""

    @abstractmethod
    def _learning(self, lora: LoraSettings, train: TrainSettings) -> AbstractContextManager[Learner]:
        """Return the context in which a fresh adapter can train; the base is restored exactly on exit."""

    @abstractmethod
    def _free_memory(self) -> None:
        """Release what the library's allocator holds in reserve. Raises RuntimeError where the device is lost."""

    def _recover(self, rows: int, why: str) -> None:
        """Release memory after it ran out. Raises DeviceLost where this process cannot use the device any more."""
        try:
            self._free_memory()
        except RuntimeError as error:
            raise DeviceLost(rows, why) from error

    def _run_halved(self, requests: Sequence[Request], batch: Batch, settings: Sampling) -> Iterator[DrawStep]:
        """Yield the steps of what a batch has left; its last row is tried once more, alone."""
        self._batch_size = max(1, batch.rows // 2)
        self.choices["batch_size"] = f"{self._batch_size}: memory ran out with {batch.rows} rows"
        for part in halves(batch) if batch.rows > 1 else (batch,):
            yield from self.run_batch(requests, part, settings)

    def _encode(self, examples: Sequence[Example], train: TrainSettings) -> EncodedExamples:
        return encode_examples(examples, self._texts, train, self._base.context)

    def _require_bare(self, action: str) -> None:
        if self._is_wearing:
            raise RuntimeError(f"{action} while an adapter is applied: leave its block first")
