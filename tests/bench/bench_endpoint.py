"""Samples a second at a server beside our own loop, on the same model and prompts, in turns in one run.

    python tests/bench/bench_endpoint.py --url http://127.0.0.1:8000 [--model FOLDER] [--served NAME] [--concurrency 16]

The server must serve the model of ``--model``; what is measured is the way over HTTP and the server's own loop.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from eval.pipeline.sampling import GenerationRequest
from tests.bench.bench_generate import PROMPTS, SHIPPED
from tests.support.settings import composed, model_settings, sampling_settings
from training.backends.base import Generates
from training.models import load_model, open_server
from training.sampler import Reference


def main() -> None:
    """Print samples and tokens a second, both ways, their ratio, and how busy the machine was."""
    options = _options()
    settings = sampling_settings(0.8, 0.95, 0, options.tokens)
    requests = [
        GenerationRequest(PROMPTS[n % len(PROMPTS)].format(n=n), tuple(n * 1000 + k for k in range(options.samples)))
        for n in range(options.prompts)
    ]
    held = model_settings(
        str(options.model), quantization="none", batch_size=options.concurrency, processes=1, threads=1
    )
    sampler = replace(
        composed("sampler=endpoint").sampler, urls=(options.url,), model=options.served, concurrency=options.concurrency
    )
    ratios = []
    with load_model("transformers_peft", held) as own:
        first = Reference("first", requests[0].prompt, "return 1")
        served = open_server("transformers_peft", held, sampler, own.identity, own.parameters, [first], 0.001)
        with closing(served):
            print(served.choices["server"])
            for _ in range(options.rounds):
                here, there = _samples_a_second(own, requests, settings), _samples_a_second(served, requests, settings)
                ratios.append(there / here)
                load = ", ".join(f"{one:.1f}" for one in os.getloadavg()[:1])
                print(
                    f"ours {here:8.2f} samples/s   server {there:8.2f} samples/s   ratio {ratios[-1]:.2f}   load {load}"
                )
    print(f"median ratio of server to ours: {statistics.median(ratios):.2f} ({options.concurrency} together, both)")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--url", required=True, help="address of the server")
    parser.add_argument("--model", type=Path, default=SHIPPED, help="folder of the model")
    parser.add_argument("--served", default="", help="its name at the server; the only one listed by default")
    parser.add_argument("--concurrency", type=int, default=16, help="samples that generate together")
    parser.add_argument("--prompts", type=int, default=16, help="prompts")
    parser.add_argument("--samples", type=int, default=5, help="samples a prompt")
    parser.add_argument("--tokens", type=int, default=120, help="tokens a sample at most")
    parser.add_argument("--rounds", type=int, default=3, help="rounds")
    return parser.parse_args()


def _samples_a_second(model: Generates, requests: list[GenerationRequest], settings: object) -> float:
    began_s = time.perf_counter()
    drawn = model.generate(requests, settings)  # type: ignore[arg-type]
    return sum(map(len, drawn)) / (time.perf_counter() - began_s)


if __name__ == "__main__":
    main()
