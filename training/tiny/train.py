"""``python -m training.tiny.train --corpus FILE --out FOLDER``: train an embedded base model, or train one further."""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from env.files import write_atomic
from training.tiny.texts import Encoded, Text, encode, epochs, read_texts, tensors
from training.tiny.tokenizer import train_tokenizer

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything the weights depend on besides the corpus.

    ``start`` is the model folder whose weights and tokenizer it begins with; "" is an untrained model of this layout.

    Learning rates hold for the first third and then fall linearly to zero. Muon (Jordan et al. 2024) turns the
    matrices, AdamW the embedding and the norms.
    """

    seed: int = 0
    start: str = ""
    vocabulary: int = 1024
    hidden: int = 192
    layers: int = 4
    heads: int = 3
    intermediate: int = 512
    max_tokens: int = 512
    batch_texts: int = 64
    epochs: float = 1.0
    matrix_rate: float = 0.02
    other_rate: float = 2e-3
    prompt_weight: float = 0.1
    tokenizer_texts: int = 20_000


@dataclass(frozen=True, slots=True)
class Report:
    """The cost of one training: ``tokens`` counts prompts and answers, without padding."""

    recipe: Recipe
    steps: int
    tokens: int
    minutes: float
    final_loss: float


def build_model(recipe: Recipe, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """Return an untrained model of the Llama layout with tied embeddings."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(recipe.seed)
    config = LlamaConfig(
        vocab_size=recipe.vocabulary,
        hidden_size=recipe.hidden,
        intermediate_size=recipe.intermediate,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.heads,
        max_position_embeddings=recipe.max_tokens,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlamaForCausalLM(config)


def build_optimizers(model: LlamaForCausalLM, recipe: Recipe) -> list[Optimizer]:
    """Return Muon for the matrices inside the layers and AdamW for everything else."""
    import torch

    matrices = [weight for weight in model.model.layers.parameters() if weight.ndim == 2]
    inside = {id(weight) for weight in matrices}
    others = [weight for weight in model.parameters() if id(weight) not in inside]
    return [
        torch.optim.Muon(matrices, lr=recipe.matrix_rate, weight_decay=0.01, momentum=0.95, nesterov=True),
        torch.optim.AdamW(others, lr=recipe.other_rate, betas=(0.9, 0.95), weight_decay=0.01),
    ]


def rate_at(step: int, steps: int) -> float:
    """Return the share of the full learning rate at ``step``: 1 in the first third, then falling to 0 at the end."""
    return min(1.0, 1.5 * (1.0 - step / steps))


def weighted_loss(model: LlamaForCausalLM, ids: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted mean cross entropy of each token given those before it; no token sees padding."""
    import torch
    from torch.nn.functional import cross_entropy

    with torch.autocast("cpu", torch.bfloat16):
        logits = model(input_ids=ids, use_cache=False).logits
    losses = cross_entropy(logits[:, :-1].float().flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
    flat = weights[:, 1:].flatten()
    return (losses * flat).sum() / flat.sum()


def train_step(
    model: LlamaForCausalLM, optimizers: list[Optimizer], batch: list[Encoded], recipe: Recipe, share: float
) -> float:
    """Do one step at ``share`` of the full learning rates; return its loss."""
    import torch

    ids, weights = tensors(batch, model.config.pad_token_id, recipe.prompt_weight)
    loss = weighted_loss(model, ids, weights)
    torch.autograd.backward([loss])
    for optimizer, rate in zip(optimizers, (recipe.matrix_rate, recipe.other_rate), strict=True):
        optimizer.param_groups[0]["lr"] = rate * share
        optimizer.step()
        optimizer.zero_grad()
    return loss.item()


def train(texts: list[Text], recipe: Recipe, folder: Path, save_every: int) -> Report:
    """Train and save into ``folder``, every ``save_every`` steps and at the end."""
    tokenizer, model = _beginning(texts, recipe)
    encoded = encode(texts, tokenizer)
    optimizers = build_optimizers(model, recipe)
    steps = round(recipe.epochs * len(encoded) / recipe.batch_texts)
    started, tokens, average = time.monotonic(), 0, 0.0
    for step, batch in zip(range(steps), epochs(encoded, recipe.batch_texts, recipe.seed), strict=False):
        loss = train_step(model, optimizers, batch, recipe, rate_at(step, steps))
        tokens += sum(len(text.ids) for text in batch)
        average = loss if step == 0 else 0.98 * average + 0.02 * loss
        if step % 50 == 0:
            _say(step, steps, average, tokens, time.monotonic() - started)
        if step and step % save_every == 0:
            save(model, tokenizer, folder)
    save(model, tokenizer, folder)
    return Report(recipe, steps, tokens, (time.monotonic() - started) / 60, average)


def _beginning(texts: list[Text], recipe: Recipe) -> tuple[PreTrainedTokenizerFast, LlamaForCausalLM]:
    """Return the tokenizer and the model that training begins with."""
    if recipe.start:
        import torch
        from transformers import AutoTokenizer, LlamaForCausalLM

        model = LlamaForCausalLM.from_pretrained(recipe.start, dtype=torch.float32)
        return AutoTokenizer.from_pretrained(recipe.start), model
    sample = (text.prompt + text.answer for text in texts[: recipe.tokenizer_texts])
    tokenizer = train_tokenizer(sample, recipe.vocabulary, recipe.max_tokens)
    return tokenizer, build_model(recipe, tokenizer)


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write an ordinary Hugging Face model folder with 16-bit weights; ``model`` stays as it is."""
    import copy

    half = copy.deepcopy(model).half()
    half.generation_config.eos_token_id = tokenizer.eos_token_id
    half.generation_config.pad_token_id = tokenizer.pad_token_id
    half.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _say(step: int, steps: int, loss: float, tokens: int, seconds: float) -> None:
    left_min = seconds / (step + 1) * (steps - step) / 60
    speed = f"{tokens / seconds:,.0f} tokens/s"
    print(f"step {step}/{steps}  loss {loss:.3f}  {speed}  {left_min:.1f} min left", flush=True)


def main() -> None:
    """Parse the command line, train, and leave the report beside the weights."""
    import torch

    parser = argparse.ArgumentParser(prog="python -m training.tiny.train", description=__doc__)
    parser.add_argument("--corpus", type=Path, required=True, help="JSON lines with prompt and answer")
    parser.add_argument("--out", type=Path, required=True, help="the model folder to write")
    parser.add_argument("--start", type=Path, help="a model folder to begin with; default: an untrained model")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=float, default=Recipe().epochs)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--save-every", type=int, default=500, metavar="STEPS")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    start = "" if arguments.start is None else arguments.start.as_posix()
    recipe = Recipe(seed=arguments.seed, start=start, epochs=arguments.epochs)
    report = train(read_texts(arguments.corpus), recipe, arguments.out, arguments.save_every)
    write_atomic(arguments.out / "training.json", json.dumps(asdict(report), indent=2) + "\n")


if __name__ == "__main__":
    main()
