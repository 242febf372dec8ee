"""CPU time of the same optimizer steps with rows in random order, sorted by length, and packed, in turns in one run.

    python tests/bench/bench_packing.py [--model FOLDER] [--dataset luanti_mini] [--batch 1] [--accum 16] [--steps 5]
                                        [--rounds 2] [--length 512] [--quantization nf4]

The rows are those that the dataset trains on, as the model's tokenizer reads them. Sorting is what
gate.c.train.group_by_length does, packing what gate.c.train.packing does; all three end at the same loss over an epoch.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from eval.datasets.loading import load_dataset
from gates.measuring.prompting import examples_of
from tests.support.settings import composed, lora_settings, model_settings, prompt_form, train_settings
from training.examples import TokenRow, step_batches
from training.models import load_model
from training.packing import packed_batches
from training.records import TrainSettings

SHIPPED = Path(__file__).resolve().parents[2] / "training/tiny/model"
LORA = lora_settings(r=8, alpha=16.0, target_modules=("q_proj", "k_proj", "v_proj", "o_proj"), layers=())


def main() -> None:
    """Print milliseconds a step, the share of padding and forwards a step, each way, and the ratios."""
    options = _options()
    settings = train_settings(
        max_steps=options.steps, batch_size=options.batch, grad_accum=options.accum, learning_rate=1e-3,
        checkpoint_every=10**6, max_length=options.length,
    )  # fmt: skip
    held = model_settings(str(options.model), quantization=options.quantization, device="cpu", threads=1)
    ways = {
        "random order": replace(settings, group_by_length=False),
        "sorted by length": settings,
        "packed, random order": replace(settings, group_by_length=False, packing=True),
        "packed, sorted": replace(settings, packing=True),
    }
    with load_model("transformers_peft", held) as model:
        rows = _rows(model, options.dataset, settings)
        lengths = sorted(len(row.ids) for row in rows)
        print(
            f"{len(rows)} rows of {lengths[0]} to {lengths[-1]} tokens, median {lengths[len(lengths) // 2]}; "
            f"a step is {options.batch} x {options.accum} rows"
        )
        plans = {name: _steps(rows, way) for name, way in ways.items()}
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(options.rounds):
            for name, steps in plans.items():
                seconds[name].append(_seconds(model, steps, settings))
    first = seconds["random order"]
    for name, steps in plans.items():
        ratio = statistics.median(before / now for before, now in zip(first, seconds[name], strict=True))
        print(
            f"{name:<22} {1000 * statistics.median(seconds[name]):8.1f} ms a step   {_padding(steps):5.1%} padding   "
            f"{sum(map(len, steps)) / len(steps):4.1f} forwards a step   {ratio:.2f} x"
        )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=str(SHIPPED))
    parser.add_argument("--dataset", default="luanti_mini")
    parser.add_argument("--quantization", default="nf4", choices=("nf4", "none"))
    for name, value in (("batch", 1), ("accum", 16), ("steps", 5), ("rounds", 2), ("length", 512)):
        parser.add_argument(f"--{name}", type=int, default=value)
    return parser.parse_args()


def _rows(model: Any, dataset: str, settings: TrainSettings) -> tuple[TokenRow, ...]:
    data = load_dataset(composed(f"dataset={dataset}").dataset)
    rows: tuple[TokenRow, ...] = model.encoded(examples_of(data.rows, model, prompt_form()), settings).rows
    return rows


def _steps(rows: Sequence[TokenRow], settings: TrainSettings) -> list[list[list[TokenRow]]]:
    """Return the batches of each step."""
    drawn = islice(step_batches([len(row.ids) for row in rows], settings, 1), settings.max_steps)
    steps = [[[rows[index] for index in batch] for batch in batches] for _, batches in drawn]
    return (
        [packed_batches(batches, settings.batch_size, settings.max_length) for batches in steps]
        if settings.packing
        else steps
    )


def _padding(steps: Sequence[Sequence[Sequence[TokenRow]]]) -> float:
    """Return the share of computed positions, in [0, 1), that hold no token of a row."""
    batches = [batch for step in steps for batch in step]
    held = sum(len(row.ids) for batch in batches for row in batch)
    return 1 - held / sum(len(batch) * max(len(row.ids) for row in batch) for batch in batches)


def _seconds(model: Any, steps: Sequence[Sequence[Sequence[TokenRow]]], settings: TrainSettings) -> float:
    """Return CPU seconds of one step, the first one left out."""
    with model._learning(LORA, settings) as learner:
        learner.train_step(steps[0], 1e-3, 0)
        began = time.process_time()
        for number, batches in enumerate(steps[1:], 1):
            learner.train_step(batches, 1e-3, number)
        return (time.process_time() - began) / (len(steps) - 1)


if __name__ == "__main__":
    main()
