"""Samples a second of our loop against one-sample-at-a-time ``generate`` of the library, on the same model in one run.

    python tests/bench/bench_generate.py [--model FOLDER] [--prompts 24] [--samples 5] [--tokens 120] [--processes 1 2]

Bar: 15 x. CPU seconds are this process's alone: with one process they hold on a busy machine too. Without a shipped model the figures are of random weights in its sizes, which never end early.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from eval.sampling import GenerationRequest, SamplingSettings
from training.backends import load_model
from training.records import ModelSettings

SHIPPED = Path(__file__).resolve().parents[2] / "training/tiny/model"
SIZES = {
    "hidden_size": 192,
    "num_hidden_layers": 4,
    "num_attention_heads": 3,
    "num_key_value_heads": 3,
    "intermediate_size": 512,
    "vocab_size": 1024,
    "tie_word_embeddings": True,
    "max_position_embeddings": 1024,
    "initializer_range": 0.3,
}
Rates = tuple[float, float]
PROMPTS = [
    "### Instruction:\nRegister a node named mymod:crystal_{n} with light level {n} and drop two shards.\n\n"
    "### Response:\n",
    "### Instruction:\nWrite a chat command /warp_{n}.\n\n### Response:\n",
]


def main() -> None:
    """Print tokens a second, both ways, and their ratio."""
    options = _options()
    with tempfile.TemporaryDirectory() as temp:
        folder = options.model or (SHIPPED if (SHIPPED / "config.json").is_file() else _random_model(Path(temp)))
        settings = SamplingSettings(0.8, 0.95, 0, options.tokens)
        prompts = [PROMPTS[n % len(PROMPTS)].format(n=n) for n in range(options.prompts)]
        requests = [
            GenerationRequest(prompt, tuple(n * 1000 + k for k in range(options.samples)))
            for n, prompt in enumerate(prompts)
        ]
        single = _library(folder, prompts[: options.single], settings)
        print(f"library, one sample at a time      {_spelt(*single)}")
        for processes in options.processes:
            for rows in options.batch:
                model = load_model(
                    "transformers_peft",
                    ModelSettings(
                        str(folder), device="cpu", threads=options.threads, batch_size=rows, processes=processes
                    ),
                )
                with model:
                    ours = _ours(model, requests, settings)
                print(f"ours, batch {rows:4d}, {processes} process(es)   {_spelt(*ours)}   {_ratios(ours, single)}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--prompts", type=int, default=60)
    parser.add_argument("--samples", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=120)
    parser.add_argument("--single", type=int, default=6)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, nargs="+", default=[64])
    parser.add_argument("--processes", type=int, nargs="+", default=[1])
    return parser.parse_args()


def _random_model(folder: Path) -> Path:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from tiny_random import make_model

    return make_model(folder, **SIZES)


def _library(folder: Path, prompts: list[str], settings: SamplingSettings) -> Rates:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(1)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    wanted: dict[str, Any] = {
        "do_sample": True,
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "top_k": 0,
        "max_new_tokens": settings.max_new_tokens,
    }
    encoded = [tokenizer(prompt, return_tensors="pt") for prompt in prompts]
    model.generate(**{**encoded[0], **wanted, "max_new_tokens": 4})
    started = time.perf_counter(), time.process_time()
    tokens = sum(model.generate(**one, **wanted).shape[1] - one["input_ids"].shape[1] for one in encoded)
    return _rates(tokens, started)


def _ours(model: Any, requests: list[GenerationRequest], settings: SamplingSettings) -> Rates:
    model.generate(requests[:4], settings)
    started = time.perf_counter(), time.process_time()
    finished = model.generate(requests, settings)
    return _rates(sum(sample.tokens for samples in finished for sample in samples), started)


def _rates(tokens: int, started: tuple[float, float]) -> Rates:
    return tokens / (time.perf_counter() - started[0]), tokens / (time.process_time() - started[1])


def _spelt(wall: float, cpu: float) -> str:
    return f"{wall:7.0f} tokens/s  {cpu:7.0f} tokens/CPU-s"


def _ratios(ours: Rates, single: Rates) -> str:
    return f"{ours[0] / single[0]:5.1f} x  {ours[1] / single[1]:5.1f} x"


if __name__ == "__main__":
    main()
