"""One model in several processes: batches go to whichever process is free, with the results of a single process.

Which samples share a batch follows from the requests alone and each sample draws from its own seed, so who computes a
batch changes nothing. Threads cannot do this: on small models they wait for each other more than they work.
"""

from __future__ import annotations

import queue
import subprocess
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

from env.own_modules import module_command, module_environment
from env.refusal import Refusal
from training.backends.base import Completion, LoadedModel, ModelIdentity, Request, Sampling
from training.backends.local.batching import Batch, assembled
from training.examples import EncodedExamples
from training.hooks import TrainHooks
from training.records import Example, LoraSettings, ModelSettings, TrainResult, TrainSettings

_CLOSE_S = 10.0


class BatchModel(LoadedModel, Protocol):
    """A loaded model that runs planned batches."""

    def plan(self, requests: Sequence[Request], settings: Sampling) -> list[Batch]:
        """Return which samples generate together."""
        ...

    def run_batch(self, requests: Sequence[Request], batch: Batch, settings: Sampling) -> list[list[Completion]]:
        """Return the completions of one batch, per share."""
        ...


@dataclass(frozen=True, slots=True)
class PlainRequest:
    """A request as sent between processes."""

    prompt: str
    seeds: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PlainSampling:
    """Sampling settings as sent between processes."""

    temperature: float
    top_p: float
    top_k: int
    max_new_tokens: int
    stop: tuple[str, ...]


class Shard:
    """One more process with the same model; it ends when this one does."""

    def __init__(self, backend: str, settings: ModelSettings) -> None:
        self._pipe, theirs = Pipe()
        self._process = subprocess.Popen(
            module_command("training.backends.local.shard_process", str(theirs.fileno())),
            pass_fds=[theirs.fileno()],
            env=module_environment(),
            stdin=subprocess.DEVNULL,
        )
        theirs.close()
        self._pipe.send((backend, replace(settings, processes=1)))
        self._is_ready = False

    def ask(self, *message: Any) -> Any:
        """Return the answer to ``message``; waits for the model to be loaded.

        Raises:
            Refusal: the other process refused.
            RuntimeError: it failed or died.
        """
        try:
            if not self._is_ready:
                self._receive()
                self._is_ready = True
            self._pipe.send(message)
            return self._receive()
        except (EOFError, ConnectionError) as error:
            code = self._process.wait(_CLOSE_S)
            raise RuntimeError(f"a generation process ended with exit status {code}") from error

    def close(self) -> None:
        """End the process: it leaves when its pipe closes."""
        self._pipe.close()
        try:
            self._process.wait(_CLOSE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _receive(self) -> Any:
        kind, value = self._pipe.recv()
        if kind == "refused":
            raise Refusal(*value)
        if kind == "failed":
            raise RuntimeError(f"a generation process failed:\n{value}")
        return value


class ShardedModel:
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

    def generate(self, requests: Sequence[Request], settings: Sampling) -> list[list[Completion]]:
        """Return, per request and in order, one completion per seed."""
        finished = dict(self.stream(requests, settings))
        return [finished[number] for number in range(len(requests))]

    def stream(self, requests: Sequence[Request], settings: Sampling) -> Iterator[tuple[int, list[Completion]]]:
        """Yield (request number, its completions) as requests finish, in whichever order."""
        batches = self._model.plan(requests, settings)
        yield from assembled(requests, self._run(requests, batches, settings))

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

    def apply_chat_template(self, user: str) -> str | None:
        """Return the prompt for one user message; None when the tokenizer has no chat template."""
        return self._model.apply_chat_template(user)

    def train(
        self,
        examples: Sequence[Example],
        lora: LoraSettings,
        train: TrainSettings,
        folder: Path,
        hooks: TrainHooks,
    ) -> TrainResult:
        """Train in this process."""
        return self._model.train(examples, lora, train, folder, hooks)

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

    def __enter__(self) -> ShardedModel:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _run(
        self, requests: Sequence[Request], batches: Sequence[Batch], settings: Sampling
    ) -> Iterator[tuple[Batch, list[list[Completion]]]]:
        """Yield every batch with its completions; this process takes its share between those of the others."""
        waiting = deque(batches)
        done: queue.SimpleQueue[Any] = queue.SimpleQueue()
        threads = [
            threading.Thread(target=_feed, args=(shard, waiting, done, requests, settings), daemon=True)
            for shard in self._shards
        ]
        for thread in threads:
            thread.start()
        left = len(batches)
        try:
            while left:
                while not done.empty():
                    yield _taken(done.get())
                    left -= 1
                batch = _next(waiting)
                if batch is not None:
                    yield batch, self._model.run_batch(requests, batch, settings)
                    left -= 1
                elif left:
                    yield _taken(done.get())
                    left -= 1
        finally:
            waiting.clear()
            for thread in threads:
                thread.join()


def _feed(
    shard: Shard,
    waiting: deque[Batch],
    done: queue.SimpleQueue[Any],
    requests: Sequence[Request],
    settings: Sampling,
) -> None:
    """Send one shard batch after batch until none is left; an error is passed on in place of a result."""
    plain = PlainSampling(
        settings.temperature, settings.top_p, settings.top_k, settings.max_new_tokens, tuple(settings.stop)
    )
    try:
        while (batch := _next(waiting)) is not None:
            asked = [
                PlainRequest(requests[share.request].prompt, tuple(requests[share.request].seeds))
                for share in batch.shares
            ]
            own = Batch(tuple(replace(share, request=number) for number, share in enumerate(batch.shares)))
            done.put((batch, shard.ask("batch", asked, own, plain)))
    except BaseException as error:
        done.put(error)


def _next(waiting: deque[Batch]) -> Batch | None:
    try:
        return waiting.popleft()
    except IndexError:
        return None


def _taken(item: Any) -> tuple[Batch, list[list[Completion]]]:
    if isinstance(item, BaseException):
        raise item
    batch, completions = item
    return batch, completions


def connection(descriptor: int) -> Connection[Any, Any]:
    """Return the pipe end that a parent process left open at ``descriptor``."""
    return Connection(descriptor)
