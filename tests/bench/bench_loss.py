"""CPU time and peak memory of a training step's forward and backward, with logits of a batch at once and in chunks.

    python tests/bench/bench_loss.py [--vocabulary 151936] [--hidden 1024] [--layers 4] [--chunk 256] [--rounds 4]

Random weights in bfloat16, four rows of about 300 tokens, each way in a process of its own: a process keeps its peak.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

LENGTHS = ((300, 80), (310, 150), (290, 60), (320, 200))


def main() -> None:
    """Print seconds and megabytes, both ways, and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("vocabulary", 151936), ("hidden", 1024), ("layers", 4), ("chunk", 256), ("rounds", 4)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        print(json.dumps(_measured(options)))
        return
    found = {}
    for name, chunk in (("at once", 0), (f"{options.chunk} at a time", options.chunk)):
        words = [f"--{key}={value}" for key, value in vars(options).items() if key not in ("alone", "chunk")]
        command = [sys.executable, "-W", "ignore", __file__, *words, f"--chunk={chunk}", "--alone"]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found[name] = json.loads(done.stdout.splitlines()[-1])
        print(
            f"{name:<16} {found[name]['seconds']:6.2f} s  {found[name]['peak_mb']:6.0f} MB  loss {found[name]['loss']:.3f}"
        )
    whole, chunked = found.values()
    print(
        f"{whole['seconds'] / chunked['seconds']:.2f} x as fast, {chunked['peak_mb'] / whole['peak_mb']:.2f} of the memory"
    )


def _measured(options: argparse.Namespace) -> dict[str, float]:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from tests.support.settings import lora_settings, train_settings
    from training.backends.transformers_peft.lora import trainable
    from training.backends.transformers_peft.loss.chunked_loss import loss_of
    from training.examples import TokenRow

    torch.set_num_threads(1)
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"hidden_size": options.hidden, "intermediate_size": 3 * options.hidden}
    sizes |= {"num_hidden_layers": options.layers, "num_attention_heads": 8, "num_key_value_heads": 4}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=options.vocabulary, tie_word_embeddings=True, **sizes))
    draw = torch.Generator().manual_seed(1)
    rows = [
        TokenRow(tuple(torch.randint(0, options.vocabulary, (length,), generator=draw).tolist()), prompt)
        for length, prompt in LENGTHS
    ]
    lora = lora_settings(r=8, alpha=16.0, target_modules=("q_proj", "v_proj"), layers=())
    loss = loss_of(replace(train_settings(), logit_chunk=options.chunk))
    seconds, value = [], 0.0
    with trainable(model.to(torch.bfloat16), lora, 0) as adapted:
        for _ in range(options.rounds + 1):
            started = time.process_time()
            summed = loss(adapted, rows)
            summed.backward()
            seconds.append(time.process_time() - started)
            value = float(summed.detach())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": statistics.median(seconds[1:]), "peak_mb": peak, "loss": value}


if __name__ == "__main__":
    main()
