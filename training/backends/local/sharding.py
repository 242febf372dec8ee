"""One model in several processes: batches go to whichever process is free, with the results of a single process.

Which samples share a batch follows from the requests alone and each sample draws from its own seed, so who computes a
batch changes nothing. Threads cannot do this: on small models they wait for each other more than they work.
"""

from __future__ import annotations

import os
import queue
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

from env.installed.own_modules import module_command, module_environment
from env.machine.out_of_memory import DeviceLost
from env.refusal import Refusal
from training.backends.base import (
    ChatFacts,
    DrawStep,
    LoadedModel,
    ModelIdentity,
    PromptForm,
    RenderedTurn,
    Request,
    Sampling,
)
from training.backends.local.batched_model import DrawnModel
from training.backends.local.batching import Batch
from training.examples import EncodedExamples
from training.hooks import TrainHooks
from training.records import Example, LoraSettings, ModelSettings, TrainResult, TrainSettings

_CLOSE_S = 10.0
_LOOK_S = 0.2
NO_VARIABLES: Mapping[str, str] = {}


class BatchModel(LoadedModel, Protocol):
    """A loaded model that runs planned batches."""

    def plan(self, requests: Sequence[Request], settings: Sampling) -> list[Batch]:
        """Return which samples generate together."""
        ...

    def run_batch(self, requests: Sequence[Request], batch: Batch, settings: Sampling) -> Iterator[DrawStep]:
        """Yield the decoding steps of one batch."""
        ...


@dataclass(frozen=True, slots=True)
class PlainRequest:
    """A request as sent between processes."""

    prompt: str
    seeds: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PlainThinking:
    """How long a model may think, as sent between processes."""

    max_tokens: int
    opens: str
    closes: str
    forced: str


@dataclass(frozen=True, slots=True)
class PlainSampling:
    """Sampling settings as sent between processes."""

    temperature: float
    top_p: float
    top_k: int
    max_new_tokens: int
    stop: tuple[str, ...]
    thinking: PlainThinking


class Shard:
    """One more process with the same model; it ends when this one does."""

    def __init__(self, backend: str, settings: ModelSettings, variables: Mapping[str, str] = NO_VARIABLES) -> None:
        self._pipe, theirs = Pipe()
        self._process = subprocess.Popen(
            module_command("training.backends.local.shard_process", str(theirs.fileno())),
            pass_fds=[theirs.fileno()],
            env={**module_environment(), **variables},
            stdin=subprocess.DEVNULL,
        )
        theirs.close()
        self._pipe.send((backend, replace(settings, processes=1)))
        self._is_ready = False
        self._turn = threading.Lock()
        self.is_left = False

    def ask(self, *message: Any) -> Any:
        """Return the answer to ``message``; waits for the model to be loaded.

        Raises:
            Refusal: the other process refused.
            RuntimeError: it failed or died.
        """
        with self._explained():
            while not self._has_model():
                pass
            self._send(*message)
            return self._receive()

    def batch(self, requests: Sequence[Request], batch: Batch, settings: Sampling) -> Iterator[DrawStep]:
        """Yield the decoding steps of ``batch``, several at a time, until it ends or is left. Raises as ``ask``."""
        with self._explained():
            while not self._has_model():
                if self.is_left:
                    return
            self._send("batch", requests, batch, settings)
            if self.is_left:
                self._send("leave")
            while (step := self._receive()) is not None:
                yield step

    def leave_batch(self) -> None:
        """End the batch at work, if there is one, after its present decoding step; any thread may call it."""
        self.is_left = True
        with suppress(OSError):
            self._send("leave")

    def close(self) -> None:
        """End the process: it leaves when its pipe closes."""
        self._pipe.close()
        try:
            self._process.wait(_CLOSE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _has_model(self) -> bool:
        """Return whether the model is loaded; waits a moment for it."""
        if not self._is_ready and self._pipe.poll(_LOOK_S):
            self._receive()
            self._is_ready = True
        return self._is_ready

    def _send(self, *message: Any) -> None:
        with self._turn:
            self._pipe.send(message)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (EOFError, ConnectionError) as error:
            code = self._process.wait(_CLOSE_S)
            raise RuntimeError(f"a generation process ended with exit status {code}") from error

    def _receive(self) -> Any:
        kind, value = self._pipe.recv()
        if kind == "refused":
            raise Refusal(*value)
        if kind == "lost":
            raise DeviceLost(*value)
        if kind == "failed":
            raise RuntimeError(f"a generation process failed:\n{value}")
        return value


class ShardedModel(DrawnModel):
    """A model here and its shards in other processes; only generation is distributed."""

    def __init__(self, model: BatchModel, shards: Sequence[Shard]) -> None:
        self._model = model
        self._shards = list(shards)
        count = len(self._shards) + 1
        self.choices = {**model.choices, "processes": f"{count}: requested; batches go to whichever is free"}

    @property
    def identity(self) -> ModelIdentity:
        """Which model this is, by content."""
        return self._model.identity

    @property
    def parameters(self) -> int:
        """Parameters of the base model."""
        return self._model.parameters

    @property
    def is_batch_exact(self) -> bool:
        """Whether a sample is the same whatever generates beside it."""
        return self._model.is_batch_exact

    def draw(self, requests: Sequence[Request], settings: Sampling) -> Generator[DrawStep, None, None]:
        """Yield the decoding steps of all processes, in whichever order; closing it ends the work in each of them."""
        yield from self._run(requests, self._model.plan(requests, settings), settings)

    @contextmanager
    def adapter(self, folder: Path, scale: float) -> Iterator[None]:
        """Apply the adapter in every process; the bases are restored exactly on exit."""
        with self._model.adapter(folder, scale):
            try:
                for shard in self._shards:
                    shard.ask("wear", folder, scale)
                yield
            finally:
                for shard in self._shards:
                    shard.ask("bare")

    def log_prob(self, prompt: str, answer: str) -> float:
        """Return the natural-log probability of ``answer`` after ``prompt``."""
        return self._model.log_prob(prompt, answer)

    def apply_chat_template(self, user: str, form: PromptForm) -> str | None:
        """Return the prompt for one user message; None when the tokenizer has no chat template."""
        return self._model.apply_chat_template(user, form)

    def chat_facts(self, form: PromptForm) -> ChatFacts | None:
        """Return what the chat template writes around an answer; None when the tokenizer has no chat template."""
        return self._model.chat_facts(form)

    def chat_turn(
        self,
        before: Sequence[Mapping[str, Any]],
        answer: Mapping[str, Any],
        tools: Sequence[Mapping[str, Any]],
        form: PromptForm,
    ) -> RenderedTurn | None:
        """Return one turn of a conversation by the chat template; None where there is none."""
        return self._model.chat_turn(before, answer, tools, form)

    def answer_tokens(self, text: str) -> int:
        """Return how many tokens ``text`` takes as an answer, its end token included."""
        return self._model.answer_tokens(text)

    def train(
        self,
        examples: Sequence[Example],
        lora: LoraSettings,
        train: TrainSettings,
        folder: Path,
        hooks: TrainHooks,
        start: Path | None = None,
    ) -> TrainResult:
        """Train in this process."""
        return self._model.train(examples, lora, train, folder, hooks, start)

    def encoded(self, examples: Sequence[Example], train: TrainSettings) -> EncodedExamples:
        """Return the examples as they would train."""
        return self._model.encoded(examples, train)

    def probe_step(self, examples: Sequence[Example], lora: LoraSettings, train: TrainSettings) -> float:
        """Return the loss of one forward and backward in this process."""
        return self._model.probe_step(examples, lora, train)

    def close(self) -> None:
        """End the other processes and release the model."""
        for shard in self._shards:
            shard.close()
        self._model.close()

    def _run(self, requests: Sequence[Request], batches: Sequence[Batch], settings: Sampling) -> Iterator[DrawStep]:
        """Yield the steps of every batch; this process computes its own batches between those of the others."""
        waiting = deque(batches)
        told: queue.SimpleQueue[DrawStep | BaseException | None] = queue.SimpleQueue()
        feeders = [
            threading.Thread(target=_feed, args=(shard, waiting, told, requests, settings), daemon=True)
            for shard in self._shards
        ]
        for shard, feeder in zip(self._shards, feeders, strict=True):
            shard.is_left = False
            feeder.start()
        try:
            yield from _merged(self._own_steps(requests, waiting, settings), told, len(feeders))
        finally:
            waiting.clear()
            for shard in self._shards:
                shard.leave_batch()
            for feeder in feeders:
                feeder.join()

    def _own_steps(self, requests: Sequence[Request], waiting: deque[Batch], settings: Sampling) -> Iterator[DrawStep]:
        while (batch := _next(waiting)) is not None:
            yield from self._model.run_batch(requests, batch, settings)


def _merged(
    own: Iterator[DrawStep], told: queue.SimpleQueue[DrawStep | BaseException | None], working: int
) -> Iterator[DrawStep]:
    """Yield this process's steps and those that ``working`` others report, each of which ends with None or an error."""
    while True:
        step = next(own, None)
        if step is not None:
            yield step
        # once there is nothing left to do here, wait for the others
        while working and (step is None or not told.empty()):
            item = told.get()
            if isinstance(item, BaseException):
                raise item
            if item is None:
                working -= 1
            else:
                yield item
        if step is None:
            return


def _feed(
    shard: Shard,
    waiting: deque[Batch],
    told: queue.SimpleQueue[DrawStep | BaseException | None],
    requests: Sequence[Request],
    settings: Sampling,
) -> None:
    """Send one shard batch after batch until none is left, and pass on its steps; None, or an error, comes last."""
    thought = settings.thinking
    plain = PlainSampling(
        settings.temperature,
        settings.top_p,
        settings.top_k,
        settings.max_new_tokens,
        tuple(settings.stop),
        PlainThinking(thought.max_tokens, thought.opens, thought.closes, thought.forced),
    )
    try:
        while (batch := _next(waiting)) is not None:
            asked = [
                PlainRequest(requests[share.request].prompt, tuple(requests[share.request].seeds))
                for share in batch.shares
            ]
            own = Batch(tuple(replace(share, request=number) for number, share in enumerate(batch.shares)))
            for step in shard.batch(asked, own, plain):
                ended = tuple(replace(one, request=batch.shares[one.request].request) for one in step.ended)
                told.put(replace(step, ended=ended))
        told.put(None)
    except BaseException as error:
        told.put(error)


def _next(waiting: deque[Batch]) -> Batch | None:
    try:
        return waiting.popleft()
    except IndexError:
        return None


def connection(descriptor: int) -> Connection[Any, Any]:
    """Return the pipe end that a parent process left open at ``descriptor``."""
    return Connection(descriptor)


def card_of(number: int) -> dict[str, str]:
    """Return the variables under which CUDA's first card is number ``number`` of those that this process may use."""
    visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").replace(" ", "").split(",") if name]
    return {"CUDA_VISIBLE_DEVICES": visible[number] if number < len(visible) else str(number)}


def in_processes(
    backend: str, settings: ModelSettings, load: Callable[[], BatchModel], card_each: bool = False
) -> LoadedModel:
    """Return the model that ``load`` gives here, with ``settings.processes`` - 1 more processes that load it too.

    Args:
        backend: names the module whose ``load`` the other processes call.
        card_each: whether each further process has a GPU of its own, the second first.
    """
    # started first: they load while this process does
    numbers = range(1, settings.processes)
    shards = [Shard(backend, settings, card_of(number) if card_each else NO_VARIABLES) for number in numbers]
    try:
        model = load()
    except BaseException:
        for shard in shards:
            shard.close()
        raise
    return ShardedModel(model, shards) if shards else model
