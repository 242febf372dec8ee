"""The contract of the backends: a loaded model generates, applies an adapter and scores, and where it can, trains."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol, Self, runtime_checkable

from training.examples import EncodedExamples
from training.hooks import TrainHooks
from training.records import Example, LoraSettings, TrainResult, TrainSettings
from training.sampler import Scored


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """Which base model this is: ``digest`` over ``parts`` (weights, quantisation, tokenizer, chat template)."""

    digest: str
    parts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Thought:
    """What a sample spent on thinking: tokens, those that close it too, and whether its budget ended it."""

    tokens: int
    cut: bool


@dataclass(frozen=True, slots=True)
class Completion:
    """One sample: text without the stop token, why it ended, and how many tokens it took (the stop token counts).

    ``thought`` None: it did not think. ``tokens`` counts the thought too; ``finish`` says how the answer ended.
    """

    text: str
    finish: Literal["stop", "length"]
    tokens: int
    thought: Thought | None = None


@dataclass(frozen=True, slots=True)
class Drawn:
    """One sample that has ended: number ``sample`` among the seeds of request number ``request``."""

    request: int
    sample: int
    completion: Completion


@dataclass(frozen=True, slots=True)
class DrawStep:
    """The result of one decoding step: the number of tokens, and the samples that ended."""

    tokens: int
    ended: tuple[Drawn, ...] = ()


class Request(Protocol):
    """One prompt and the seeds of its samples."""

    @property
    def prompt(self) -> str: ...
    @property
    def seeds(self) -> tuple[int, ...]: ...


class Thinking(Protocol):
    """How long a model may think before it answers; its record is ``eval.pipeline.sampling.ThinkingSettings``.

    Attributes:
        max_tokens: of the thought; 0: there is none, and the rest means nothing.
        opens: text that a thought begins with; "" where the prompt has begun it. A sample that begins otherwise
            answers at once.
        closes: text after which the answer follows.
        forced: what is written in the model's place once the budget is used up.
    """

    @property
    def max_tokens(self) -> int: ...
    @property
    def opens(self) -> str: ...
    @property
    def closes(self) -> str: ...
    @property
    def forced(self) -> str: ...


class Sampling(Protocol):
    """How one token is sampled: ``temperature`` 0 is greedy, ``top_k`` 0 and ``top_p`` 1 are off.

    ``max_new_tokens`` are the answer's; a thought has its own.
    """

    @property
    def temperature(self) -> float: ...
    @property
    def top_p(self) -> float: ...
    @property
    def top_k(self) -> int: ...
    @property
    def max_new_tokens(self) -> int: ...
    @property
    def stop(self) -> tuple[str, ...]: ...
    @property
    def thinking(self) -> Thinking: ...


class PromptForm(Protocol):
    """What all prompts of a run share besides the task; its record is ``eval.pipeline.prompts.PromptForm``."""

    @property
    def system(self) -> str:
        """The text of the system turn; "" is none."""
        ...

    @property
    def moment(self) -> datetime:
        """The time that a template which prints one reads."""
        ...

    @property
    def arguments(self) -> Mapping[str, Any]:
        """What the template is given besides the conversation."""
        ...

    @property
    def answer_prefix(self) -> str:
        """Text between the prompt and the answer: "auto" is the template's own, "none" is none."""
        ...

    @property
    def thinks(self) -> bool:
        """Whether the model may think first: the prompt then ends before the answer prefix."""
        ...


@dataclass(frozen=True, slots=True)
class ChatFacts:
    """What a chat template writes around an answer.

    Attributes:
        prefix: between the prompt and the answer, part of every prompt of a model that does not think; ``reason`` says
            how it was found.
        end: after the answer; its first token ends an answer.
        known_arguments: names that the template reads; ``idle_arguments`` are given ones that change nothing.
        source: the template itself.
    """

    prefix: str
    reason: str
    end: str
    known_arguments: tuple[str, ...]
    idle_arguments: tuple[str, ...]
    source: str


@dataclass(frozen=True, slots=True)
class RenderedTurn:
    """One turn of a conversation as the chat template writes it.

    Attributes:
        prompt: everything up to the answer, the answer prefix included.
        answer: what is learnt.
        is_written: it holds tokens of the template, such as those around a call; else it is text alone.
        is_ended: it ends in a token of its own, which no end token follows.
    """

    prompt: str
    answer: str
    is_written: bool = False
    is_ended: bool = False


class NoLogProbs(Exception):
    """The model tells no log-probabilities of a given text: some servers do not."""


class Generates(Protocol):
    """One base model that can be measured; a context manager that closes it."""

    @property
    def identity(self) -> ModelIdentity:
        """Which model this is, by content."""
        ...

    @property
    def choices(self) -> dict[str, str]:
        """The automatic choices: name -> "value: reason"."""
        ...

    @property
    def parameters(self) -> int:
        """Parameters of the base model, tied ones counted once."""
        ...

    @property
    def is_batch_exact(self) -> bool:
        """Whether a sample is the same whatever generates beside it: in float32 on a CPU, not in 16 bits."""
        ...

    def generate(self, requests: Sequence[Request], settings: Sampling) -> list[list[Completion]]:
        """Return, per request and in order, one completion per seed."""
        ...

    def draw(self, requests: Sequence[Request], settings: Sampling) -> Generator[DrawStep, None, None]:
        """Yield each decoding step with the samples that it ended; in all, the completions of ``generate``.

        Closing the iterator ends the work between two steps, in every process; the samples not yielded are lost.
        """
        ...

    def adapter(self, folder: Path, scale: float) -> AbstractContextManager[None]:
        """Apply the adapter in ``folder`` at ``scale`` (1.0 = as trained); the base is restored exactly on exit."""
        ...

    def log_prob(self, prompt: str, answer: str) -> float:
        """Return the natural-log probability of ``answer`` after ``prompt``, its end token left out.

        Raises:
            NoLogProbs: this model, at a server, tells none.
        """
        ...

    def apply_chat_template(self, user: str, form: PromptForm) -> str | None:
        """Return the prompt for one user message; None when the tokenizer has no chat template.

        The one text for training, measuring and scoring: it ends in the answer prefix, unless ``form.thinks``. A
        backend without weights of its own gets it from ``local.texts.Texts.chat`` with the model's tokenizer.
        """
        ...

    def chat_facts(self, form: PromptForm) -> ChatFacts | None:
        """Return what the chat template writes around an answer; None without one (``local.texts.Texts``)."""
        ...

    def chat_turn(
        self,
        before: Sequence[Mapping[str, Any]],
        answer: Mapping[str, Any],
        tools: Sequence[Mapping[str, Any]],
        form: PromptForm,
    ) -> RenderedTurn | None:
        """Return one turn of a conversation by the chat template; None without one (``local.texts.Texts``).

        ``before`` and ``answer`` are messages as templates read them (role, content, tool_calls with arguments as
        objects), without the system's.

        Raises:
            Refusal: the template cannot write such turns so that they are asked for as they are trained on.
        """
        ...

    def answer_tokens(self, text: str) -> int:
        """Return how many tokens ``text`` takes as an answer, its end token included."""
        ...

    def close(self) -> None:
        """Release memory and processes; the model cannot be used afterwards."""
        ...

    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...


class Trains(Protocol):
    """One base model on which an adapter can be trained."""

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

        ``start``: the checkpoint whose adapter and optimizer the first step continues with; None: a fresh adapter.
        """
        ...

    def encoded(self, examples: Sequence[Example], train: TrainSettings) -> EncodedExamples:
        """Return the examples as they would train: token rows that fit, and the names of those that do not."""
        ...

    def probe_step(self, examples: Sequence[Example], lora: LoraSettings, train: TrainSettings) -> float:
        """Return the loss of one real forward and backward on the longest rows; nothing is kept."""
        ...


@runtime_checkable
class Serves(Generates, Protocol):
    """A base model at a server, which generates for the backend that trains it.

    Nothing about such a model is proven by its bytes: it is recognised by what it answers.
    """

    @property
    def facts(self) -> dict[str, str]:
        """What must stay the same in a run: software, version, model, and how it is asked."""
        ...

    def recognise(self) -> tuple[Scored, ...]:
        """Return what the base at the server makes of each reference that it was opened with."""
        ...

    def with_adapter(self, folder: Path, scale: float) -> tuple[Scored, ...]:
        """Return the same with an adapter applied, which need not show."""
        ...

    def announce(self, adapters: Sequence[tuple[Path, float]]) -> None:
        """Remember which (folder, scale) will be applied, so that a refusal names all that are missing."""
        ...

    def repeat(self, seeds: Sequence[int], settings: Sampling, at_once: bool) -> list[str]:
        """Return texts drawn with ``seeds`` from the first reference's prompt, ``at_once`` or one after the other."""
        ...

    def prompt_tokens(self, prompt: str) -> int:
        """Return how many tokens ``prompt`` is."""
        ...


class LoadedModel(Generates, Trains, Protocol):
    """One base model in memory, the same for measuring and for training."""
