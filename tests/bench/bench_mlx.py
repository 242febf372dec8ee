"""Step time and tokens a second through our mlx backend beside mlx-lm's own loops, same model and batches, in one run.

    python tests/bench/bench_mlx.py [--model FOLDER] [--quantization none|q4|q8] [--compiled] [--steps 12] [--samples 40]

Bars: a step at most 2% slower than mlx-lm's own; generation against its one-sample-at-a-time loop. mlx-lm compiles its
step everywhere, ours is compiled on Apple GPUs; --compiled compares like with like on a CPU. There mlx computes by the
BLAS it finds: with Debian's libopenblas0-pthread preloaded both sides are several times faster. CPU seconds are this
process's alone: they hold on a busy machine too.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from contextlib import redirect_stdout
from dataclasses import replace
from io import StringIO
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

from eval.sampling import GenerationRequest, SamplingSettings
from training.backends import load_model
from training.examples import encode_examples, step_batches
from training.hooks import NoHooks
from training.records import Example, LoraSettings, ModelSettings, StepRecord, TrainSettings

SHIPPED = Path(__file__).resolve().parents[2] / "training/tiny/model"
LORA = LoraSettings(r=8, alpha=16.0, target_modules=("q_proj", "k_proj", "v_proj", "o_proj"), layers=(-2, -1))
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
    model = load_model("mlx", ModelSettings(str(options.model), quantization=options.quantization))
    if options.compiled:
        model._loaded = replace(model._loaded, compiled=True)
    print(f"{model.parameters / 1e6:.1f} M parameters, {options.quantization}, {model.choices['device']}")
    _train(model, options)
    _generate(model, options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=SHIPPED)
    parser.add_argument("--quantization", default="none", choices=("none", "q4", "q8"))
    parser.add_argument("--compiled", action="store_true")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--samples", type=int, default=40)
    parser.add_argument("--single", type=int, default=4)
    parser.add_argument("--tokens", type=int, default=60)
    return parser.parse_args()


def _train(model: Any, options: argparse.Namespace) -> None:
    settings = TrainSettings(
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
    sampling = SamplingSettings(0.8, 0.95, 0, options.tokens)
    prompts = [example.prompt for example in EXAMPLES[: options.samples // 5]]
    requests = [GenerationRequest(prompt, tuple(range(5 * n, 5 * n + 5))) for n, prompt in enumerate(prompts)]
    single = _bare_generation(model, prompts[: options.single], options.tokens)
    print(f"generation: mlx-lm, one sample at a time {single[0]:7.0f} tokens/s   {single[1]:7.0f} tokens/CPU-s")
    model.generate(requests[:1], sampling)
    wall, busy = time.perf_counter(), time.process_time()
    tokens = sum(sample.tokens for samples in model.generate(requests, sampling) for sample in samples)
    ours = tokens / (time.perf_counter() - wall), tokens / (time.process_time() - busy)
    print(
        f"generation: ours, {5 * len(prompts):3d} samples together    {ours[0]:7.0f} tokens/s   "
        f"{ours[1]:7.0f} tokens/CPU-s   {ours[0] / single[0]:.1f} x, {ours[1] / single[1]:.1f} x"
    )


def _bare_generation(model: Any, prompts: list[str], count: int) -> tuple[float, float]:
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
    wall, busy = time.perf_counter(), time.process_time()
    tokens = sum(drawn(prompt, count) for prompt in prompts)
    return tokens / (time.perf_counter() - wall), tokens / (time.process_time() - busy)


if __name__ == "__main__":
    main()
