"""What durability costs: samples and training steps a second with fsync, heartbeat and journals, and without them.

    python tests/bench/bench_durability.py [--rounds 5] [--tasks 30] [--samples 10] [--steps 40] [--folder FOLDER]

Bar: within 2%. Both ways run the same loops on the same model in one process, in turns; the ratio is that of the
medians. The share is more exact on a busy machine: the part of the durable loops' time that was spent in durability.
Not counted: the supervisor, which reads one small file ten times a second from another process.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import eval.pipeline.stored_samples
from env.files import append_lines
from env.heartbeat import Heartbeat
from eval.datasets.loading import load_dataset
from eval.pipeline.loop import Arm, Unit, measure
from eval.pipeline.prompts import render
from tests.support.luanti import open_verifier
from tests.support.settings import (
    dataset_settings,
    lora_settings,
    model_settings,
    prompt_form,
    sampling_settings,
    train_settings,
    verifier_settings,
)
from training.hooks import NoHooks
from training.models import load_model
from training.records import Example, StepRecord

SHIPPED = Path(__file__).resolve().parents[2] / "training/tiny/model"
LORA = lora_settings(r=8, alpha=16.0, target_modules=("q_proj", "k_proj", "v_proj", "o_proj"), layers=(-2, -1))
FORM = prompt_form()
SAMPLING = sampling_settings(temperature=0.8, top_p=0.95, top_k=0, max_new_tokens=160)
# of the default profile, scaled to the size of this measurement: about six appends an arm, three checkpoints
CHUNKS, CHECKPOINTS = 6, 3


@dataclass
class Meter:
    """Seconds spent in the calls that it times; a timed call inside another counts once."""

    seconds: float = 0.0
    _inside: threading.local = field(default_factory=threading.local)

    def timed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return ``call``, its time added up."""

        def measured(*arguments: Any, **keywords: Any) -> Any:
            if getattr(self._inside, "yes", False):
                return call(*arguments, **keywords)
            self._inside.yes, began_s = True, time.perf_counter()
            try:
                return call(*arguments, **keywords)
            finally:
                self._inside.yes = False
                self.seconds += time.perf_counter() - began_s

        return measured


@dataclass
class Durable:
    """Everything on; what it takes is timed."""

    folder: Path
    meter: Meter = field(default_factory=Meter)

    @contextmanager
    def on(self, gate: str) -> Iterator[Callable[[str, int, int], None]]:
        """Time durable calls inside the block; give what tells progress."""
        heartbeat = Heartbeat(self.folder / "heartbeat.json", gate)
        beat = self.meter.timed(heartbeat.beat)
        real_fsync, real_append = os.fsync, eval.pipeline.stored_samples.append_lines
        os.fsync, eval.pipeline.stored_samples.append_lines = (
            self.meter.timed(real_fsync),
            self.meter.timed(real_append),
        )
        try:
            with heartbeat.kept_alive():
                yield lambda phase, done, total: beat(phase, done, total, "units", "a message of usual length")
        finally:
            os.fsync, eval.pipeline.stored_samples.append_lines = real_fsync, real_append


@dataclass
class Careless:
    """Results are written, by plain writes: no fsync, no pulse, no line a step."""

    folder: Path

    @contextmanager
    def on(self, gate: str) -> Iterator[Callable[[str, int, int], None]]:
        """Switch durability off inside the block."""
        real_fsync, real_append = os.fsync, eval.pipeline.stored_samples.append_lines
        os.fsync, eval.pipeline.stored_samples.append_lines = (lambda _: None), _plain_append
        try:
            yield lambda phase, done, total: None
        finally:
            os.fsync, eval.pipeline.stored_samples.append_lines = real_fsync, real_append


class Steps(NoHooks):
    """What gate C does after each step, or nothing."""

    def __init__(self, way: Durable | Careless, tell: Callable[[str, int, int], None], total: int) -> None:
        self.path, self.tell, self.total = way.folder / "metrics.jsonl", tell, total
        self.append = way.meter.timed(append_lines) if isinstance(way, Durable) else None

    def on_step(self, record: StepRecord) -> None:
        """Store the step and report progress."""
        if self.append is not None:
            self.append(self.path, [json.dumps({"session": 1, **asdict(record)})])
            self.tell("training", record.step, self.total)


def main() -> None:
    """Print both rates of both loops, their ratios, and the share of time that durability took."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("rounds", 5), ("tasks", 30), ("samples", 10), ("steps", 40)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--folder", type=Path, help="where the files go: a folder on the disk in question")
    options = parser.parse_args()
    model = load_model("transformers_peft", model_settings(str(SHIPPED), device="cpu", threads=1))
    with open_verifier(verifier_settings(workers=1)) as verifier:
        sampling = _sampling_loop(model, verifier, options.tasks, options.samples)
        for name, unit, loop, count in (
            ("sampling", "samples/s", sampling, options.tasks * options.samples),
            ("training", "steps/s", _training_loop(model, options.steps), options.steps),
        ):
            _compare(name, unit, loop, count, options.rounds, options.folder)


def _compare(
    name: str, unit: str, loop: Callable[[Durable | Careless], None], count: int, rounds: int, folder: Path | None
) -> None:
    seconds: dict[type, list[float]] = {Durable: [], Careless: []}
    shares = []
    for number in range(2 * rounds + 1):
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            way = (Durable if number % 2 else Careless)(Path(scratch))
            began_s = time.perf_counter()
            loop(way)
            took_s = time.perf_counter() - began_s
        # the first round warms up
        if number:
            seconds[type(way)].append(took_s)
        if isinstance(way, Durable):
            shares.append(way.meter.seconds / took_s)
    durable, careless = (count / median(seconds[way]) for way in (Durable, Careless))
    print(
        f"{name}: durable {durable:8.2f} {unit}   without {careless:8.2f} {unit}   ratio {durable / careless:.3f}   "
        f"share of time {100 * median(shares):.2f}%"
    )


def _sampling_loop(model: Any, verifier: Any, tasks: int, samples: int) -> Callable[[Durable | Careless], None]:
    dataset = load_dataset(dataset_settings(dev_tasks=tasks, test_tasks=1, rows=1))
    units = [Unit(task, samples) for task in dataset.tasks if task.split == "dev"]
    arm = Arm("base", 0, replace(SAMPLING, samples_per_call=tasks * samples // CHUNKS))

    def loop(way: Durable | Careless) -> None:
        with way.on("b") as tell:
            measure(
                units,
                arm,
                model,
                lambda task: render(task.instruction, task.input, model.apply_chat_template, FORM),
                verifier,
                way.folder / "samples.jsonl",
                lambda reached: tell("sampling", reached.stored, reached.planned),
                lambda: None,
            )

    return loop


def _training_loop(model: Any, steps: int) -> Callable[[Durable | Careless], None]:
    rows = load_dataset(dataset_settings(dev_tasks=1, test_tasks=1, rows=400)).rows
    prompts = [render(row.instruction, row.input, model.apply_chat_template, FORM) for row in rows]
    examples = [Example(prompt, row.output, row.family) for prompt, row in zip(prompts, rows, strict=True)]
    settings = train_settings(
        max_steps=steps,
        batch_size=16,
        learning_rate=5e-3,
        checkpoint_every=max(1, steps // CHECKPOINTS),
        warmup_steps=1,
    )

    def loop(way: Durable | Careless) -> None:
        with way.on("c") as tell:
            model.train(examples, LORA, settings, way.folder / "checkpoints", Steps(way, tell, steps))

    return loop


def _plain_append(path: Path, lines: list[str]) -> int:
    with path.open("a", encoding="utf-8") as stream:
        stream.writelines(f"{line}\n" for line in lines)
    return 0


if __name__ == "__main__":
    main()
