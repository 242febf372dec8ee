"""The unsloth backend against unsloth's own loops, on the same loaded model in one run; CPU time of this process.

    .venv-unsloth/bin/python tests/bench/bench_unsloth.py [--steps 20] [--prompts 60] [--tokens 120]

A step: our training loop beside get_peft_model, forward with labels, backward, clip, AdamW. Generation: all samples
together, our way and through unsloth's ``generate``, beside unsloth's ``generate``, one sample at a time.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from eval.pipeline.sampling import GenerationRequest, SamplingSettings
from tests.bench.bench_train_step import LORA, SHIPPED, Clock
from tests.support.settings import model_settings, sampling_settings, train_settings
from training.examples import encode_examples, step_batches
from training.models import load_model
from training.records import Example, LoraSettings, StepRecord, TrainSettings


def main() -> None:
    """Print milliseconds a step and tokens a second, both ways, with their ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--prompts", type=int, default=60)
    parser.add_argument("--tokens", type=int, default=120)
    options = parser.parse_args()
    model: Any = load_model("unsloth", model_settings(str(SHIPPED), quantization="nf4", device="cpu", threads=1))
    _compare_steps(model, options.steps)
    _compare_generation(model, options.prompts, options.tokens)


def _compare_steps(model: Any, steps: int) -> None:
    settings = train_settings(
        max_steps=steps, batch_size=16, learning_rate=5e-3, checkpoint_every=10**6, warmup_steps=5
    )
    prompt, answer = (
        "### Instruction:\nRegister mymod:b{n}.\n\n### Response:\n",
        'core.register_node("mymod:b{n}", {{}})\n',
    )
    examples = [Example(prompt.format(n=n), answer.format(n=n) * (1 + n % 3)) for n in range(200)]
    ratios = []
    for _ in range(3):
        ours, bare = Clock(), Clock()
        with tempfile.TemporaryDirectory() as folder:
            model.train(examples, LORA, settings, Path(folder), ours)
        _bare(model, examples, settings, LORA, bare)
        ratios.append(ours.milliseconds / bare.milliseconds)
        print(f"step: ours {ours.milliseconds:6.1f} ms   unsloth's {bare.milliseconds:6.1f} ms   {ratios[-1]:.3f} x")
    print(f"step ratio, median of three: {median(ratios):.3f}")


def _bare(model: Any, examples: list[Example], settings: TrainSettings, lora: LoraSettings, clock: Clock) -> None:
    import torch
    from unsloth import FastModel

    rows = encode_examples(examples, model._texts, settings).rows
    base = model._loaded.model
    wrapped = FastModel.get_peft_model(
        base,
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=0.0,
        target_modules=list(lora.target_modules),
        layers_to_transform=[2, 3],
        use_gradient_checkpointing=False,
    )
    wrapped.train()
    parameters = [parameter for parameter in wrapped.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=settings.learning_rate, weight_decay=0.0)
    order = step_batches([len(row.ids) for row in rows], settings, 1)
    clock.marks = [time.process_time()]
    for step in range(1, settings.max_steps + 1):
        batch = [rows[index] for index in next(order)[1][0]]
        width = max(len(row.ids) for row in batch)
        ids = torch.tensor([list(row.ids) + [0] * (width - len(row.ids)) for row in batch])
        labels = torch.full_like(ids, -100)
        for number, row in enumerate(batch):
            labels[number, row.prompt_length : len(row.ids)] = ids[number, row.prompt_length : len(row.ids)]
        loss = wrapped(input_ids=ids, labels=labels).loss
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters, settings.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()
        clock.on_step(StepRecord(step, float(loss.detach()), 0.0, float(norm), 0, 0.0, 0.0))
    wrapped.base_model.unload()
    base.requires_grad_(False)


def _compare_generation(model: Any, prompts: int, tokens: int) -> None:
    """Print tokens a second of our samples together, and of unsloth's ``generate`` together and one at a time."""
    from training.backends.transformers_peft.loading import dequantized_copy
    from training.backends.unsloth.model import PatchedModel

    texts = [f"### Instruction:\nRegister a node mymod:c{n}.\n\n### Response:\n" for n in range(prompts)]
    settings = sampling_settings(0.8, 0.95, 0, tokens, ())
    requests = [GenerationRequest(text, tuple(range(5))) for text in texts]
    base = model._loaded.model
    library = PatchedModel(model._loaded, model_settings(str(SHIPPED), batch_size=model._batch_size))
    single = {
        "4 bits, as unsloth loads it": _one_at_a_time(base, model, texts[:8], settings),
        "the same weights unpacked": _one_at_a_time(dequantized_copy(base), model, texts[:8], settings),
    }
    together = {
        "ours: unpacked, a prompt read once": _together(model, requests, settings),
        "the library's loop, in 4 bits": _together(library, requests, settings),
    }
    for name, rate in single.items():
        print(f"one at a time, {name:27s} {rate:7,.0f} tokens/s")
    for name, rate in together.items():
        ratios = "   ".join(f"{rate / alone:.1f} x" for alone in single.values())
        print(f"{5 * prompts} samples, {name:34s} {rate:7,.0f} tokens/s   {ratios}")


def _together(model: Any, requests: list[GenerationRequest], settings: SamplingSettings) -> float:
    model.generate(requests[:1], settings)
    started = time.process_time()
    drawn = sum(sample.tokens for samples in model.generate(requests, settings) for sample in samples)
    return drawn / (time.process_time() - started)


def _one_at_a_time(library: Any, model: Any, texts: list[str], settings: SamplingSettings) -> float:
    import torch

    wanted = {"do_sample": True, "temperature": settings.temperature, "top_p": settings.top_p, "top_k": 0}
    wanted |= {"max_new_tokens": settings.max_new_tokens}
    drawn, started = 0, time.process_time()
    with torch.inference_mode():
        for text in texts:
            ids = torch.tensor([model._texts.prompt(text)])
            whole = library.generate(input_ids=ids, attention_mask=torch.ones_like(ids), **wanted)
            drawn += whole.shape[1] - ids.shape[1]
    return drawn / (time.process_time() - started)


if __name__ == "__main__":
    main()
