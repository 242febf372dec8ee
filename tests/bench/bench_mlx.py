"""Step time and tokens a second through our mlx backend beside mlx-lm's own loops, same model and batches, in one run.

    python tests/bench/bench_mlx.py [--model FOLDER] [--quantization none|q4|q8] [--compiled] [--steps 12]
        [--samples 200] [--rows 0] [--processes 2]

Bars: a step at most 2% slower than mlx-lm's own; generation against its one-sample-at-a-time loop. mlx-lm compiles its
step everywhere, ours is compiled on Apple GPUs; --compiled compares like with like on a CPU. There mlx computes by the
BLAS it finds: with Debian's libopenblas0-pthread preloaded both sides are several times faster. CPU seconds are those of the
process that works longest: they tell on a busy machine what the clock would on an idle one.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, redirect_stdout
from dataclasses import dataclass, replace
from io import StringIO
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from eval.pipeline.sampling import GenerationRequest, SamplingSettings
from tests.support.settings import lora_settings, model_settings, sampling_settings, train_settings
from training.examples import encode_examples, step_batches
from training.hooks import NoHooks
from training.models import load_model
from training.records import Example, ModelSettings, StepRecord, TrainSettings

SHIPPED = Path(__file__).resolve().parents[2] / "training/tiny/model"
LORA = lora_settings(r=8, alpha=16.0, target_modules=("q_proj", "k_proj", "v_proj", "o_proj"), layers=(-2, -1))
EXAMPLES = [
    Example(
        f"### Instruction:\nRegister a node mymod:block_{n} with light level {n % 15}.\n\n### Response:\n",
        f'core.register_node("mymod:block_{n}", {{\n\tdescription = "Block {n}",\n\tlight_source = {n % 15},\n}})\n',
    )
    for n in range(400)
]
_WARM_UP = 2


class Clock(NoHooks):
    """CPU seconds from step to step."""

    def __init__(self) -> None:
        self.marks = [time.process_time()]
        self.losses: list[float] = []

    def on_step(self, record: StepRecord) -> None:
        self.tick(record.loss)

    def tick(self, loss: float) -> None:
        """Note that a step has ended."""
        self.marks.append(time.process_time())
        self.losses.append(loss)

    @property
    def milliseconds(self) -> float:
        """Median over the steps after the first two."""
        later = self.marks[_WARM_UP + 1 :]
        return 1000 * median(end - start for start, end in zip(self.marks[_WARM_UP:], later, strict=False))


def main() -> None:
    """Print both sides of training and of generation, and their ratios."""
    options = _options()
    model = load_model("mlx", _settings(options))
    if options.compiled:
        model._loaded = replace(model._loaded, compiled=True)
    print(f"{model.parameters / 1e6:.1f} M parameters, {options.quantization}, {model.choices['device']}")
    _train(model, options)
    _generate(model, options)


def _settings(options: argparse.Namespace, shared_out: bool = False) -> ModelSettings:
    processes = options.processes if shared_out else 1
    rows = options.rows or -(-options.samples // processes)
    return model_settings(str(options.model), quantization=options.quantization, batch_size=rows, processes=processes)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=SHIPPED)
    parser.add_argument("--quantization", default="none", choices=("none", "q4", "q8"))
    parser.add_argument("--compiled", action="store_true")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--rows", type=int, default=0, help="samples that generate together; 0: all of a process's")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--single", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=60)
    return parser.parse_args()


def _train(model: Any, options: argparse.Namespace) -> None:
    settings = train_settings(
        max_steps=options.steps,
        batch_size=options.batch,
        learning_rate=5e-3,
        checkpoint_every=10**6,
        scheduler="constant",
        max_grad_norm=0.0,
    )
    ratios = []
    for _ in range(options.rounds):
        ours, bare = Clock(), Clock()
        with tempfile.TemporaryDirectory() as folder:
            model.train(EXAMPLES, LORA, settings, Path(folder), ours)
        _bare_loop(model, settings, bare)
        ratios.append(ours.milliseconds / bare.milliseconds)
        print(
            f"step: ours {ours.milliseconds:7.1f} ms   mlx-lm's loop {bare.milliseconds:7.1f} ms   "
            f"ratio {ratios[-1]:.3f}   last loss {ours.losses[-1]:.4f} {bare.losses[-1]:.4f}"
        )
    print(f"step ratio, median of {options.rounds}: {median(ratios):.3f}")


def _bare_loop(model: Any, settings: TrainSettings, clock: Clock) -> None:
    """Train by mlx_lm.tuner.trainer.train on the same batches, at the same width."""
    import mlx.core as mx
    from mlx.optimizers import AdamW
    from mlx_lm.tuner.callbacks import TrainingCallback
    from mlx_lm.tuner.trainer import TrainingArgs, train

    from training.backends.mlx.fitting import COMPILED_WIDTH, batch_arrays
    from training.backends.mlx.lora import trainable

    rows = encode_examples(EXAMPLES, model._texts, settings).rows
    order = islice(step_batches([len(row.ids) for row in rows], settings, 1), settings.max_steps)

    def batches(**_options: Any) -> Any:
        clock.marks = [time.process_time()]
        for _, (indices,) in order:
            batch = [rows[index] for index in indices]
            width = 1 + batch_arrays(batch, COMPILED_WIDTH if model._loaded.compiled else 1)[0].shape[1]
            ids = mx.array([list(row.ids) + [0] * (width - len(row.ids)) for row in batch])
            yield ids, mx.array([[row.prompt_length, len(row.ids) - 1] for row in batch])

    class Report(TrainingCallback):  # type: ignore[misc]
        def on_train_loss_report(self, info: dict[str, Any]) -> None:
            clock.tick(info["train_loss"])

    with trainable(model._loaded.model, LORA, settings.seed), tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArgs(
            batch_size=settings.batch_size,
            iters=settings.max_steps,
            steps_per_report=1,
            steps_per_save=10**6,
            adapter_file=f"{folder}/adapters.safetensors",
        )
        # mlx-lm's own Adam has no bias correction unless asked: the same work either way
        optimizer = AdamW(learning_rate=settings.learning_rate, weight_decay=0.0, bias_correction=True)
        # its screen would stand between our lines
        with redirect_stdout(StringIO()):
            train(
                model._loaded.model,
                optimizer,
                train_dataset=None,
                args=arguments,
                iterate_batches=batches,
                training_callback=Report(),
            )


def _generate(model: Any, options: argparse.Namespace) -> None:
    """Print both sides of generation, round by round, and the median ratios."""
    sampling = sampling_settings(0.8, 0.95, 0, options.tokens)
    prompts = [example.prompt for example in EXAMPLES[: options.samples // 5]]
    requests = [GenerationRequest(prompt, tuple(range(5 * n, 5 * n + 5))) for n, prompt in enumerate(prompts)]
    ratios: dict[str, list[float]] = {}
    with ExitStack() as stack:
        ours = {"one process": model}
        if options.processes > 1:
            ours[f"{options.processes} processes"] = stack.enter_context(load_model("mlx", _settings(options, True)))
        for each in ours.values():
            each.generate(requests, sampling)
        for _ in range(options.rounds):
            single = _bare_generation(model, prompts[: options.single], options.tokens)
            print(f"generation: mlx-lm, one sample at a time   {single.text}")
            for name, each in ours.items():
                pace = _paced(lambda each=each: _tokens(each, requests, sampling))
                ratios.setdefault(f"{name}, tokens/s", []).append(pace.wall / single.wall)
                ratios.setdefault(f"{name}, tokens/CPU-s", []).append(pace.busy / single.busy)
                print(f"generation: ours, {len(requests) * 5} samples, {name:12s}   {pace.text}")
    for name, found in ratios.items():
        print(f"generation ratio, {name}: {median(found):.1f} x, median of {options.rounds}")


@dataclass(frozen=True)
class Pace:
    """Tokens a second of the clock, and of the CPU time of the process that worked longest: the clock of idle cores."""

    wall: float
    busy: float

    @property
    def text(self) -> str:
        return f"{self.wall:7.0f} tokens/s {self.busy:7.0f} tokens/CPU-s"


def _paced(work: Callable[[], int]) -> Pace:
    wall, busy = time.perf_counter(), _cpu_seconds()
    tokens = work()
    wall_s = time.perf_counter() - wall
    longest = max(seconds - busy.get(pid, 0.0) for pid, seconds in _cpu_seconds().items())
    return Pace(tokens / wall_s, tokens / longest)


def _cpu_seconds() -> dict[int, float]:
    """Return the CPU seconds so far of this process and its children, by pid."""
    own = psutil.Process()
    times = {process.pid: process.cpu_times() for process in (own, *own.children())}
    return {pid: found.user + found.system for pid, found in times.items()}


def _tokens(model: Any, requests: list[GenerationRequest], sampling: SamplingSettings) -> int:
    return sum(sample.tokens for samples in model.generate(requests, sampling) for sample in samples)


def _bare_generation(model: Any, prompts: list[str], count: int) -> Pace:
    import mlx.core as mx
    from mlx_lm.generate import generate_step
    from mlx_lm.sample_utils import make_sampler

    sampler = make_sampler(temp=0.8, top_p=0.95)

    def drawn(prompt: str, count: int) -> int:
        tokens = 0
        for token, _ in generate_step(
            mx.array(model._texts.prompt(prompt)), model._loaded.model, max_tokens=count, sampler=sampler
        ):
            tokens += 1
            if int(token) in model._texts.end_tokens:
                break
        return tokens

    drawn(prompts[0], 4)
    return _paced(lambda: sum(drawn(prompt, count) for prompt in prompts))


if __name__ == "__main__":
    main()
