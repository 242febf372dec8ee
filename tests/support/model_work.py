"""What tests ask of a tiny random model: to be loaded, to write for some prompts, to train a few steps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eval.pipeline.sampling import GenerationRequest
from tests.support.settings import lora_settings, model_settings, sampling_settings, train_settings
from training.hooks import NoHooks
from training.models import load_model
from training.records import Example, StepRecord

SAMPLING = sampling_settings(temperature=0.8, top_p=0.95, top_k=0, max_new_tokens=24)
REQUESTS = [GenerationRequest("local x = " * n, (n, n + 100, n + 200)) for n in (3, 1, 6, 2, 4, 5)]
EXAMPLES = [Example(f"square of {n}: ", str(n * n), f"row {n}") for n in range(24)]
LORA = lora_settings(r=4, alpha=8.0, target_modules=("q_proj", "v_proj"), layers=(-2, -1))
TRAIN = train_settings(max_steps=6, batch_size=4, learning_rate=1e-2, checkpoint_every=2)


class Watch(NoHooks):
    """Keeps what it is told, and asks to stop after a step."""

    def __init__(self, stop_after: int = 0) -> None:
        self.stop_after = stop_after
        self.steps: list[StepRecord] = []
        self.checkpoints: list[Any] = []

    def on_step(self, record: StepRecord) -> None:
        self.steps.append(record)

    def on_checkpoint(self, checkpoint: Any) -> None:
        self.checkpoints.append(checkpoint)

    def should_stop(self) -> bool:
        return self.steps[-1].step == self.stop_after


def load(folder: Path, **options: Any) -> Any:
    """Load with transformers and PEFT on one CPU thread, quantised to NF4 unless ``options`` say otherwise."""
    return load_model("transformers_peft", model_settings(str(folder), **{"device": "cpu", "threads": 1, **options}))


def load_whole(folder: Path, **options: Any) -> Any:
    """Load the same way, but not quantised."""
    return load(folder, quantization="none", **options)


def logits(network: Any, ids: Sequence[int] = range(2, 40)) -> Any:
    """Return the logits after each of ``ids``, shaped (1, ids, vocabulary)."""
    import torch

    with torch.inference_mode():
        return network(input_ids=torch.tensor([list(ids)])).logits


def trained(model: Any, folder: Path, **lora: Any) -> Path:
    """Train an adapter that shows in every logit; return its newest checkpoint."""
    chosen = lora_settings(r=4, alpha=8.0, target_modules=("q_proj", "down_proj"), layers=(-2, -1), **lora)
    steps = train_settings(max_steps=3, batch_size=4, learning_rate=3e-2, checkpoint_every=3)
    return Path(model.train(EXAMPLES[:20], chosen, steps, folder, NoHooks()).checkpoints[-1].folder)
