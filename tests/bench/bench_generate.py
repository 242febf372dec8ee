"""Tokens a second of our loop against one-sample-at-a-time ``generate`` of the library, on the same model in one run.

    python tests/bench/bench_generate.py [--model FOLDER] [--prompts 60] [--samples 5] [--batch 256] [--processes 1 2]

Bar: 15 x. A round measures the library, then ours with each number of processes, the embedded model's own batch size.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from eval.pipeline.sampling import GenerationRequest, SamplingSettings
from tests.support.settings import model_settings, sampling_settings
from training.models import load_model

SHIPPED = Path(__file__).resolve().parents[2] / "training/tiny/model"
PROMPTS = [
    "### Instruction:\nRegister a node named mymod:crystal_{n} with light level {n} and drop two shards.\n\n"
    "### Response:\n",
    "### Instruction:\nWrite a chat command /warp_{n}.\n\n### Response:\n",
]


def main() -> None:
    """Print tokens a second, both ways, and their ratio."""
    options = _options()
    settings = sampling_settings(0.8, 0.95, 0, options.tokens)
    prompts = [PROMPTS[n % len(PROMPTS)].format(n=n) for n in range(options.prompts)]
    requests = [
        GenerationRequest(prompt, tuple(n * 1000 + k for k in range(options.samples)))
        for n, prompt in enumerate(prompts)
    ]
    ratios: dict[int, list[float]] = {count: [] for count in options.processes}
    for _ in range(options.rounds):
        single = _library(options.model, prompts[: options.single], settings)
        print(f"the library, one sample at a time          {single:7,.0f} tokens/s")
        for count, found in ratios.items():
            ours = _ours(options, count, requests, settings)
            found.append(ours / single)
            print(f"ours, batch of {options.batch}, {count} process{'es' * (count > 1):<2}  {ours:15,.0f} tokens/s")
    for count, found in ratios.items():
        print(f"median ratio with {count} process{'es' * (count > 1)}: {statistics.median(found):.1f} x")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--model", type=Path, default=SHIPPED, help="folder of the model")
    parser.add_argument("--prompts", type=int, default=60, help="prompts that ours generates for")
    parser.add_argument("--samples", type=int, default=5, help="samples a prompt")
    parser.add_argument("--tokens", type=int, default=120, help="tokens a sample at most")
    parser.add_argument("--single", type=int, default=6, help="prompts that the library generates for, one by one")
    parser.add_argument("--batch", type=int, default=256, help="rows that generate together")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2], help="processes, each with one thread")
    parser.add_argument("--rounds", type=int, default=3, help="rounds")
    return parser.parse_args()


def _library(folder: Path, prompts: list[str], settings: SamplingSettings) -> float:
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
    started = time.perf_counter()
    tokens = sum(model.generate(**one, **wanted).shape[1] - one["input_ids"].shape[1] for one in encoded)
    return tokens / (time.perf_counter() - started)


def _ours(
    options: argparse.Namespace, processes: int, requests: list[GenerationRequest], settings: SamplingSettings
) -> float:
    chosen = model_settings(str(options.model), device="cpu", threads=1, batch_size=options.batch, processes=processes)
    with load_model("transformers_peft", chosen) as model:
        model.generate(requests[:4], settings)
        started = time.perf_counter()
        finished = model.generate(requests, settings)
        seconds = time.perf_counter() - started
    return sum(sample.tokens for samples in finished for sample in samples) / seconds


if __name__ == "__main__":
    main()
