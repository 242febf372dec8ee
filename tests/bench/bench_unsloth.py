"""The unsloth backend against unsloth's own loops, on the same loaded model in one run; CPU time of this process.

    .venv-unsloth/bin/python tests/bench/bench_unsloth.py [--steps 20] [--prompts 8]

A step: our training loop beside get_peft_model, forward with labels, backward, clip, AdamW. Generation: all samples
together beside unsloth's ``generate``, one sample at a time.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from eval.sampling import GenerationRequest, SamplingSettings
from training.backends import load_model
from training.examples import encode_examples, step_batches
from training.records import Example, LoraSettings, ModelSettings, StepRecord, TrainSettings

sys.path.insert(0, str(Path(__file__).resolve().parent))
from bench_train_step import LORA, SHIPPED, Clock


def main() -> None:
    """Print milliseconds a step and tokens a second, both ways, with their ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--prompts", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=60)
    options = parser.parse_args()
    model: Any = load_model("unsloth", ModelSettings(str(SHIPPED), quantization="nf4", device="cpu", threads=1))
    _compare_steps(model, options.steps)
    _compare_generation(model, options.prompts, options.tokens)


def _compare_steps(model: Any, steps: int) -> None:
    settings = TrainSettings(max_steps=steps, batch_size=16, learning_rate=5e-3, checkpoint_every=10**6, warmup_steps=5)
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
    import torch

    texts = [f"### Instruction:\nRegister a node mymod:c{n}.\n\n### Response:\n" for n in range(prompts)]
    settings = SamplingSettings(0.8, 0.95, 0, tokens, ())
    requests = [GenerationRequest(text, tuple(range(5))) for text in texts]
    model.generate(requests[:1], settings)
    started = time.process_time()
    ours = sum(sample.tokens for samples in model.generate(requests, settings) for sample in samples)
    rate = ours / (time.process_time() - started)
    library, encode = model._loaded.model, model._texts.prompt
    wanted = {"do_sample": True, "temperature": 0.8, "top_p": 0.95, "top_k": 0, "max_new_tokens": tokens}
    started, drawn = time.process_time(), 0
    with torch.inference_mode():
        for text in texts:
            ids = torch.tensor([encode(text)])
            whole = library.generate(input_ids=ids, attention_mask=torch.ones_like(ids), **wanted)
            drawn += whole.shape[1] - ids.shape[1]
    single = drawn / (time.process_time() - started)
    print(
        f"generation: {5 * prompts} samples together {rate:,.0f} tokens/s   one at a time {single:,.0f}   {rate / single:.1f} x"
    )


if __name__ == "__main__":
    main()
