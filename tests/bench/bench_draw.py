"""CPU time of drawing one token a row from a large vocabulary, beside float64 over all of it, in one run.

    python tests/bench/bench_draw.py [--vocabulary 201088] [--rows 32] [--rounds 8]

The logits are those of a model that is sure of few tokens: noise, and 40 tokens above it.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from training.backends.transformers_peft.drawing import draw

TEMPERATURE, TOP_P = 0.8, 0.95


def main() -> None:
    """Print milliseconds a step, both ways, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--vocabulary", type=int, default=201088)
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=8)
    options = parser.parse_args()
    torch.set_num_threads(1)
    noise = torch.Generator().manual_seed(0)
    logits = torch.randn(options.rows, options.vocabulary, generator=noise)
    logits[:, :40] += torch.linspace(14, 4, 40)
    uniforms = torch.rand(options.rows, generator=noise, dtype=torch.float64)
    ways = {"float64 over all": _in_float64, "ours": lambda a, b: draw(a, b, TEMPERATURE, 0, TOP_P)}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(options.rounds):
        for name, way in ways.items():
            times[name].append(_milliseconds(way, logits, uniforms))
    for name, found in times.items():
        print(f"{name:<18} {statistics.median(found):7.1f} ms")
    print(f"ratio {statistics.median(times['float64 over all']) / statistics.median(times['ours']):.1f} x")
    print(f"equal tokens: {torch.equal(*(way(logits, uniforms) for way in ways.values()))}")


def _in_float64(logits: Tensor, uniforms: Tensor) -> Tensor:
    chances, ids = (logits.double() / TEMPERATURE).softmax(dim=-1).sort(dim=-1, descending=True)
    kept = chances * (chances.cumsum(dim=-1) - chances < TOP_P)
    mass = torch.zeros_like(kept).scatter_(1, ids, kept).cumsum(dim=-1)
    return torch.searchsorted(mass, (uniforms * mass[:, -1])[:, None], right=True)[:, 0]


def _milliseconds(way: Callable[[Tensor, Tensor], Tensor], logits: Tensor, uniforms: Tensor) -> float:
    started = time.process_time()
    way(logits, uniforms)
    return (time.process_time() - started) * 1e3


if __name__ == "__main__":
    main()
