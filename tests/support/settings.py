"""Settings for tests: what conf/ composes, with a few values that suit small and quick models, and a test's own."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

from eval.datasets.loading import DatasetSettings
from eval.pipeline.prompts import PromptForm
from eval.pipeline.sampling import SamplingSettings
from eval.pipeline.verifier import VerifierSettings
from gates.measuring.prompting import form_of
from gates.settings import Experiment
from runner.runs.config import compose_experiment
from training.records import LoraSettings, ModelSettings, TrainSettings


@cache
def composed(*overrides: str) -> Experiment:
    """Return the experiment that conf/ gives with ``overrides``."""
    return compose_experiment(list(overrides))[0]


def verifier_settings(**changes: Any) -> VerifierSettings:
    """Return the recorder's settings, with one worker for each CPU."""
    return replace(composed().verifier, **{"workers": 0, **changes})


def dataset_settings(**changes: Any) -> DatasetSettings:
    """Return the generated dataset's settings; of another ``name`` with nothing else changed."""
    return replace(composed().dataset, **changes)


def sampling_settings(
    temperature: float, top_p: float, top_k: int, max_new_tokens: int, stop: tuple[str, ...] = (), **changes: int
) -> SamplingSettings:
    """Return settings of this sampling."""
    drawn = {"temperature": temperature, "top_p": top_p, "top_k": top_k, "max_new_tokens": max_new_tokens}
    return replace(composed().sampling, **drawn, stop=stop, **changes)


def prompt_form(system: str = "", moment: datetime = datetime(2026, 1, 1, tzinfo=UTC), **changes: Any) -> PromptForm:
    """Return the form of prompts that say this, as conf/ composes the rest."""
    return replace(form_of(composed(), moment), system=system, **changes)


def model_settings(path: str, **changes: Any) -> ModelSettings:
    """Return settings of the model at ``path``, held in NF4 on whatever there is."""
    base = composed("model=local", "model.path=somewhere").model
    return replace(base, **{"path": path, "double_quantization": False, "batch_size": 64, **changes})


def lora_settings(**changes: Any) -> LoraSettings:
    """Return a plain adapter on every layer."""
    return replace(composed().gate.c.lora, **{"layers": (), **changes})


def train_settings(**changes: Any) -> TrainSettings:
    """Return a schedule without warm-up and without a limit on the adapter's size."""
    free = {"warmup_steps": 0, "max_length": 1024, "max_adapter_mb": 0.0}
    return replace(composed().gate.c.train, **{**free, **changes})
