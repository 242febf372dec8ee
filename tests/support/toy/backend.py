"""A backend of one file: it learns answers by heart, and writes the one whose prompt shares most words with its own.

Nothing in the project knows it; tests/support/toy/sitecustomize.py adds its row to the table of backends.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from env.files import digest
from training.backends.base import (
    ChatFacts,
    Completion,
    Drawn,
    DrawStep,
    ModelIdentity,
    PromptForm,
    Request,
    Sampling,
)
from training.checkpoints import ADAPTER_CONFIG, ADAPTER_WEIGHTS, list_checkpoints, save_checkpoint
from training.examples import EncodedExamples, encode_examples
from training.hooks import TrainHooks
from training.records import Example, LoraSettings, ModelSettings, StepRecord, TrainResult, TrainSettings
from training.schedule import lora_facts, settings_facts

UNTRAINED = "return nil"


def load(settings: ModelSettings) -> ToyModel:
    """Return the model; no weight of ``settings.path`` is read."""
    return ToyModel(settings)


class Words:
    """A tokenizer: a token is a character."""

    end_token = 0

    def prompt(self, text: str) -> list[int]:
        return [ord(character) for character in text]

    answer = prompt


class ToyModel:
    """See ``training.backends.base.LoadedModel`` for what each method promises."""

    def __init__(self, settings: ModelSettings) -> None:
        self.identity = ModelIdentity(digest(settings.path), {"weights": digest(settings.path)})
        self.choices = {"device": "cpu: it computes nothing", "dtype": "float32: it computes nothing"}
        self.parameters = 1
        self._rows: list[tuple[str, str]] = []
        self._strength = 0.0

    is_batch_exact = True

    def generate(self, requests: Sequence[Request], settings: Sampling) -> list[list[Completion]]:
        return [[self._written(request.prompt, seed) for seed in request.seeds] for request in requests]

    def draw(self, requests: Sequence[Request], settings: Sampling) -> Iterator[DrawStep]:
        for number, completions in enumerate(self.generate(requests, settings)):
            ended = tuple(Drawn(number, sample, completion) for sample, completion in enumerate(completions))
            yield DrawStep(sum(completion.tokens for completion in completions), ended)

    @contextmanager
    def adapter(self, folder: Path, scale: float) -> Iterator[None]:
        self._rows = [tuple(row) for row in json.loads((folder / ADAPTER_CONFIG).read_text())]
        self._strength = scale * float(load_file(folder / ADAPTER_WEIGHTS)["strength"][0])
        try:
            yield
        finally:
            self._rows, self._strength = [], 0.0

    def log_prob(self, prompt: str, answer: str) -> float:
        return -len(answer) * math.exp(-self._strength)

    def apply_chat_template(self, user: str, form: PromptForm) -> str | None:
        return None

    def chat_facts(self, form: PromptForm) -> ChatFacts | None:
        return None

    def chat_turn(
        self,
        before: Sequence[Mapping[str, Any]],
        answer: Mapping[str, Any],
        tools: Sequence[Mapping[str, Any]],
        form: PromptForm,
    ) -> None:
        return None

    def answer_tokens(self, text: str) -> int:
        return len(text) + 1

    def train(
        self, examples: Sequence[Example], lora: LoraSettings, train: TrainSettings, folder: Path, hooks: TrainHooks
    ) -> TrainResult:
        known = list(list_checkpoints(folder).verified) if folder.is_dir() else []
        start = known[-1].step if known else 0
        for step in range(start + 1, train.max_steps + 1):
            loss = math.exp(-step / train.max_steps)
            hooks.on_step(StepRecord(step, loss, train.learning_rate, 1.0, 100, 0.01, step / len(examples)))
            if step % train.checkpoint_every == 0 or step == train.max_steps:
                facts = {"loss": loss, "base": self.identity.digest, "lora": lora_facts(lora)}
                facts |= {"train": settings_facts(train), "examples": digest(len(examples))}
                known.append(
                    save_checkpoint(folder, step, lambda to, step=step: write(to, examples, step), facts, True)
                )
                hooks.on_checkpoint(known[-1])
            if hooks.should_stop():
                return TrainResult("stopped", step, tuple(known), len(examples))
        return TrainResult("finished", train.max_steps, tuple(known), len(examples), trainable=1, targets=1)

    def encoded(self, examples: Sequence[Example], train: TrainSettings) -> EncodedExamples:
        return encode_examples(examples, Words(), train, None)

    def probe_step(self, examples: Sequence[Example], lora: LoraSettings, train: TrainSettings) -> float:
        return 1.0

    def close(self) -> None:
        pass

    def __enter__(self) -> ToyModel:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _written(self, prompt: str, seed: int) -> Completion:
        """Return the answer that suits ``prompt`` best, the more often the stronger the adapter; else nonsense."""
        knows = random.Random(seed).random() < min(1.0, self._strength)
        words = set(prompt.split())
        suits = max(self._rows, key=lambda row: len(words & set(row[0].split())), default=("", ""))
        text = f"```lua\n{suits[1]}\n```" if knows and self._rows else UNTRAINED
        return Completion(text, "stop", len(text))


def write(folder: Path, examples: Sequence[Example], step: int) -> None:
    """Write an adapter of ``step`` steps: the rows by heart, and how well."""
    rows: list[Any] = [[example.prompt, example.answer] for example in examples]
    (folder / ADAPTER_CONFIG).write_text(json.dumps(rows))
    save_file({"strength": np.array([0.1 * step])}, folder / ADAPTER_WEIGHTS)
