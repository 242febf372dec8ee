"""The first hour on a machine with a GPU: what was never run without one, in order, on random weights of a real shape.

    python tests/bench/first_hour.py --shape mistral_7b                  # 14.5 GB of disk; profile=cuda_mistral_7b
    python tests/bench/first_hour.py --shape gpt_oss_20b profile=h200    # words behind it are put on the experiment
    python tests/bench/first_hour.py --shape tiny --tokens 16 --rows 2,4,8 model.device=cpu

In order: doctor --model; 16, 32 and 128 rows timed; log-probabilities twice; a chunk twice and at half the batch; training
killed and resumed against training undisturbed; peak memory against the estimate. Every part is a process of its own,
so that a peak is its own. Prints what it found and decides nothing: with random weights no answer is right.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

from tests.support.real_shapes import GPT_OSS_20B, MISTRAL_7B, QWEN2_5_0_5B, QWEN3_4B  # noqa: E402

# shape -> (sizes, words of the experiment that it stands for)
SHAPES: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "tiny": ({"model_type": "llama"}, ("profile=smoke",)),
    "qwen2_5_0_5b": (QWEN2_5_0_5B, ("profile=cpu_small",)),
    "qwen3_4b": (QWEN3_4B, ("profile=mac_qwen_4b",)),
    "mistral_7b": (MISTRAL_7B, ("profile=cuda_mistral_7b",)),
    "gpt_oss_20b": (GPT_OSS_20B, ("profile=h200",)),
}
STEPS, EVERY, KILLED_AT = 6, 2, 3
# At which step a process that trains ends itself.
KILL_VARIABLE = "FIRST_HOUR_KILL_AT"


def main() -> None:
    """Run every part and print it; with ``--part``, one of them."""
    options = _options()
    if options.part:
        PARTS[options.part](options)
        return
    options.folder = options.folder or tempfile.mkdtemp(prefix="first-hour-")
    _tell(f"1. {options.shape} with random weights in {options.folder}")
    _part("weights", options)
    _tell("2. doctor --model")
    words = _words(options)
    subprocess.run(
        [sys.executable, "-m", "runner", "doctor", "--from-defaults", "--model", *words], cwd=PROJECT, check=False
    )
    _tell("3. rows timed, log-probabilities twice, a chunk twice and at half the batch")
    _part("generate", options)
    _tell(f"4. {STEPS} training steps undisturbed, and killed after step {KILLED_AT} and resumed")
    _part("train", options, "undisturbed")
    _kill_training(options)
    _part("train", options, "killed")
    _compare(Path(options.folder))
    _tell("done")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=SHAPES, default="mistral_7b")
    parser.add_argument(
        "--folder", default="", help="for weights and checkpoints; default: a new one in the temporary folder"
    )
    parser.add_argument("--rows", default="16,32,128", help="rows that generate together")
    parser.add_argument("--tokens", type=int, default=128, help="tokens a sample at most")
    parser.add_argument("--part", default="", help=argparse.SUPPRESS)
    parser.add_argument("--into", default="", help=argparse.SUPPRESS)
    parser.add_argument("words", nargs="*", help="overrides of the experiment")
    options = parser.parse_args()
    options.many = [int(rows) for rows in options.rows.split(",")]
    return options


def _tell(line: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S} {line}", flush=True)


def _words(options: argparse.Namespace) -> list[str]:
    return [*SHAPES[options.shape][1], *options.words, f"model.path={options.folder}/model"]


def _command(part: str, options: argparse.Namespace, into: str = "") -> list[str]:
    rows = ["--rows", options.rows]
    known = ["--shape", options.shape, "--folder", options.folder, "--tokens", str(options.tokens), "--into", into]
    return [sys.executable, "-W", "ignore", __file__, "--part", part, *known, *rows, "--", *options.words]


def _part(part: str, options: argparse.Namespace, into: str = "") -> None:
    code = subprocess.run(_command(part, options, into), cwd=PROJECT, check=False).returncode
    if code:
        _tell(f"   {part} {into} ended with {code}; what follows goes on without it")


def _kill_training(options: argparse.Namespace) -> None:
    """Train into "killed" in a process that a SIGKILL ends at a step behind a checkpoint."""
    told = {**os.environ, KILL_VARIABLE: str(KILLED_AT)}
    done = subprocess.run(_command("train", options, "killed"), cwd=PROJECT, env=told, check=False)
    _tell(f"   killed: the process ended with {done.returncode}")


def _compare(folder: Path) -> None:
    last = [folder / into / f"step-{STEPS:06d}" / "adapter_model.safetensors" for into in ("undisturbed", "killed")]
    if not all(path.is_file() for path in last):
        _tell("   not compared: a training did not end")
    elif last[0].read_bytes() == last[1].read_bytes():
        _tell("   the resumed adapter has the bytes of the undisturbed one")
    else:
        from safetensors.numpy import load_file

        first, second = map(load_file, last)
        most = max(float(abs(first[name] - second[name]).max()) for name in first)
        _tell(f"   the adapters differ, by at most {most:.2g}: kernels here add in changing order")


# --- the parts, each in a process of its own


def _write_weights(options: argparse.Namespace) -> None:
    folder = Path(options.folder) / "model"
    if (folder / "config.json").is_file():
        return
    import torch

    from training.tiny_random.architectures import architecture
    from training.tiny_random.making import make_model, write_tokenizer

    sizes = dict(SHAPES[options.shape][0])
    kind = architecture(sizes.pop("model_type"))
    folder.mkdir(parents=True)
    if not sizes:
        make_model(folder, kind, seed=0)
        return
    from transformers import AutoConfig, AutoModelForCausalLM

    vocabulary = write_tokenizer(folder, kind)
    end = vocabulary[kind.ends[0]]
    config = AutoConfig.for_model(
        kind.model_type, **{**sizes, "eos_token_id": end, "pad_token_id": end, "bos_token_id": None}
    )
    torch.manual_seed(0)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).save_pretrained(folder)


def _loaded(options: argparse.Namespace) -> tuple[Any, Any]:
    """Return (experiment, its model)."""
    from runner.runs.config import compose_experiment
    from training.models import load_model

    experiment = compose_experiment(_words(options))[0]
    model = load_model(experiment.backend.name, replace(experiment.model, processes=1))
    for name, choice in model.choices.items():
        _tell(f"   {name}: {choice}")
    return experiment, model


def _generate(options: argparse.Namespace) -> None:
    experiment, model = _loaded(options)
    from eval.datasets.loading import load_dataset
    from eval.pipeline.sampling import GenerationRequest
    from gates.measuring.prompting import form_of, prompt_of

    tasks = load_dataset(experiment.dataset).tasks
    form = form_of(experiment, datetime.now(UTC))
    prompts = [prompt_of(task, model, form) for task in tasks[: -(-max(options.many) // 4)]]
    sampling = replace(experiment.sampling, max_new_tokens=options.tokens, stop=())

    def drawn(rows: int, together: int) -> list[Any]:
        asked = [
            GenerationRequest(text, tuple(range(4 * n, 4 * n + 4))) for n, text in enumerate(prompts[: -(-rows // 4)])
        ]
        model._batch_size = together
        return [sample for samples in model.generate(asked, sampling) for sample in samples]

    drawn(4, 4)
    for rows in options.many:
        began = time.perf_counter()
        samples = drawn(rows, rows)
        seconds = time.perf_counter() - began
        tokens = sum(sample.tokens for sample in samples)
        _tell(
            f"   {rows:4d} rows: {tokens / seconds:8.0f} tokens/s, {tokens} tokens in {seconds:.1f} s, peak {_peak_gb():.1f} GB"
        )
    scores = [[model.log_prob(text, " = 1") for text in prompts[:4]] for _ in range(2)]
    _tell(
        f"   log-probabilities twice: {'equal to the last bit' if scores[0] == scores[1] else f'they differ: {scores}'}"
    )
    rows = options.many[-1]
    once, again, halved = drawn(rows, rows), drawn(rows, rows), drawn(rows, rows // 2)
    for name, other in (("the same chunk again", again), ("at half the batch", halved)):
        same = sum(first.text == second.text for first, second in zip(once, other, strict=True))
        _tell(f"   {name}: {same} of {len(once)} samples equal (exact in this number format: {model.is_batch_exact})")
    _estimate(options, experiment, "generating")


def _train(options: argparse.Namespace) -> None:
    experiment, model = _loaded(options)
    from eval.datasets.loading import load_dataset
    from gates.measuring.prompting import examples_of, form_of
    from training.hooks import NoHooks

    record = Path(options.folder) / f"{options.into}.jsonl"

    class Recorded(NoHooks):
        def on_step(self, step: Any) -> None:
            with record.open("a") as file:
                file.write(json.dumps([step.step, step.loss, step.seconds]) + "\n")
            if step.step == int(os.environ.get(KILL_VARIABLE, "0")):
                os.kill(os.getpid(), signal.SIGKILL)
            rate = step.tokens / step.seconds
            _tell(f"   step {step.step}: loss {step.loss:.4f}, {step.seconds:.2f} s, {rate:.0f} tokens/s")

    config = experiment.gate.c
    train = replace(config.train, max_steps=STEPS, epochs=0, warmup_steps=0, checkpoint_every=EVERY, max_adapter_mb=0.0)
    examples = examples_of(load_dataset(experiment.dataset).rows, model, form_of(experiment, datetime.now(UTC)))
    longest = sorted(examples, key=lambda one: -len(one.prompt + one.answer))[: train.batch_size]
    if options.into == "undisturbed":
        _tell(f"   the longest rows: loss {model.probe_step(longest, config.lora, train):.4f}")
    result = model.train(examples, config.lora, train, Path(options.folder) / options.into, Recorded())
    _tell(f"   {result.status} at step {result.step}, resumed from step {result.resumed_from}")
    _estimate(options, experiment, "training")


def _estimate(options: argparse.Namespace, experiment: Any, what: str) -> None:
    """Print the peak of this process against what is estimated for it."""
    import torch

    from training.needs.memory import estimate

    config, tokens = experiment.gate.c, 512 + options.tokens
    on_gpu = torch.cuda.is_available() and experiment.model.device != "cpu"
    rows = replace(experiment.model, batch_size=options.many[-1])
    found = estimate(Path(options.folder) / "model", rows, config.lora, config.train, tokens, on_gpu)
    parts = found.training if what == "training" else found.generating
    expected = (sum(found.weights.values()) + sum(parts.values())) * 1.1
    _tell(f"   peak while {what}: {_peak_gb():.2f} GB, estimated {expected:.2f} GB ({_where(on_gpu)})")


def _where(on_gpu: bool) -> str:
    return "of the GPU, as torch allocates" if on_gpu else "of the process, libraries included"


def _peak_gb() -> float:
    import torch

    if torch.cuda.is_initialized():
        return torch.cuda.max_memory_allocated() / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


PARTS = {"weights": _write_weights, "generate": _generate, "train": _train}


if __name__ == "__main__":
    main()
