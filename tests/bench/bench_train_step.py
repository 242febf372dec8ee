"""CPU time of our training step against a bare loop of the libraries, same model, batches and order, in one run.

    python tests/bench/bench_train_step.py [--model FOLDER] [--steps 40] [--batch 16]

Bar: at most 2% slower. The bare loop is PEFT on the NF4 base: pad, forward with labels, backward, clip, AdamW, scheduler.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.support.settings import lora_settings, model_settings, train_settings
from training.examples import encode_examples, step_batches
from training.hooks import NoHooks
from training.models import load_model
from training.records import Example, StepRecord, TrainSettings

SHIPPED = Path(__file__).resolve().parents[2] / "training/tiny/model"
LORA = lora_settings(r=8, alpha=16.0, target_modules=("q_proj", "k_proj", "v_proj", "o_proj"), layers=(-2, -1))


class Clock(NoHooks):
    """CPU seconds from step to step."""

    def __init__(self) -> None:
        self.marks = [time.process_time()]
        self.losses: list[float] = []

    def on_step(self, record: StepRecord) -> None:
        self.marks.append(time.process_time())
        self.losses.append(record.loss)

    @property
    def milliseconds(self) -> float:
        """Median over the steps after the first five."""
        return 1000 * median(later - sooner for sooner, later in zip(self.marks[5:], self.marks[6:], strict=False))


def main() -> None:
    """Print milliseconds a step, both ways, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=SHIPPED)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    settings = train_settings(
        max_steps=options.steps, batch_size=options.batch, learning_rate=5e-3, checkpoint_every=10**6, warmup_steps=5
    )
    examples = [
        Example(
            f"### Instruction:\nRegister a node mymod:block_{n} with light level {n % 15}.\n\n### Response:\n",
            f'core.register_node("mymod:block_{n}", {{\n\tdescription = "Block {n}",\n\tlight_source = {n % 15},\n}})\n'
            * (1 + n % 3),
        )
        for n in range(400)
    ]
    model = load_model("transformers_peft", model_settings(str(options.model), device="cpu", threads=options.threads))
    ratios = []
    for _ in range(3):
        ours, bare = Clock(), Clock()
        with tempfile.TemporaryDirectory() as folder:
            model.train(examples, LORA, settings, Path(folder), ours)
        _bare(model, examples, settings, bare)
        ratios.append(ours.milliseconds / bare.milliseconds)
        print(
            f"ours {ours.milliseconds:6.1f} ms   bare {bare.milliseconds:6.1f} ms   ratio {ratios[-1]:.3f}   "
            f"last loss {ours.losses[-1]:.4f} {bare.losses[-1]:.4f}"
        )
    print(f"ratio, median of three: {median(ratios):.3f}")


def _bare(model: Any, examples: list[Example], settings: TrainSettings, clock: Clock) -> None:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import get_cosine_schedule_with_warmup

    rows = encode_examples(examples, model._texts, settings).rows
    order = islice(step_batches([len(row.ids) for row in rows], settings, 1), settings.max_steps)
    torch.manual_seed(settings.seed)
    wrapped = get_peft_model(
        model._loaded.model,
        LoraConfig(
            r=LORA.r,
            lora_alpha=LORA.alpha,
            target_modules=list(LORA.target_modules),
            task_type="CAUSAL_LM",
            layers_to_transform=[layer % 4 for layer in LORA.layers],
        ),
    )
    wrapped.train()
    parameters = [parameter for parameter in wrapped.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=settings.learning_rate, weight_decay=0.0)
    scheduler = get_cosine_schedule_with_warmup(optimizer, settings.warmup_steps, settings.max_steps)
    clock.marks = [time.process_time()]
    for step, (_, batches) in enumerate(order, 1):
        batch = [rows[index] for index in batches[0]]
        width = max(len(row.ids) for row in batch)
        ids = torch.tensor([list(row.ids) + [0] * (width - len(row.ids)) for row in batch])
        mask = torch.tensor([[1] * len(row.ids) + [0] * (width - len(row.ids)) for row in batch])
        labels = ids.masked_fill(mask == 0, -100)
        for number, row in enumerate(batch):
            labels[number, : row.prompt_length] = -100
        loss = wrapped(input_ids=ids, attention_mask=mask, labels=labels).loss
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters, settings.max_grad_norm)
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()
        clock.on_step(StepRecord(step, float(loss.detach()), 0.0, float(norm), 0, 0.0, 0.0))
    wrapped.unload()


if __name__ == "__main__":
    main()
