"""A loss in chunks of answer tokens is the plain loss with the same gradients, or it is refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import Gemma2Config, Gemma2ForCausalLM

from env.refusal import Refusal
from tests.support.model_work import EXAMPLES, LORA, TRAIN, Watch, load, load_whole
from training.backends.transformers_peft.fitting import batch_loss
from training.backends.transformers_peft.lora import trainable
from training.backends.transformers_peft.loss.chunked_loss import loss_of
from training.examples import TokenRow
from training.hooks import NoHooks

ROWS = [TokenRow(tuple(range(2, 12)), 4), TokenRow(tuple(range(40, 47)), 6), TokenRow((9, 8, 7), 1)]


def gradients(base: Any, loss: Callable[[Any, Sequence[TokenRow]], Any]) -> tuple[float, dict[str, Any]]:
    with trainable(base, LORA, 0) as wrapped:
        # a fresh adapter's B is 0, and A then has no gradient
        noise = torch.Generator().manual_seed(3)
        trained = {name: value for name, value in wrapped.named_parameters() if value.requires_grad}
        for value in trained.values():
            value.data.normal_(0.0, 0.1, generator=noise)
        summed = loss(wrapped, ROWS)
        (summed / 2).backward()
        return float(summed.detach()), {name: value.grad.clone() for name, value in trained.items()}


@pytest.mark.parametrize("chunk", [1, 4, 9, 100])
def test_chunks_give_the_plain_loss_and_its_gradients(llama: Path, chunk: int) -> None:
    base = load_whole(llama)._loaded.model
    expected, by_name = gradients(base, batch_loss)
    found, own = gradients(base, loss_of(replace(TRAIN, logit_chunk=chunk)))
    assert found == pytest.approx(expected, rel=1e-5)
    assert own.keys() == by_name.keys()
    assert all(bool(value.abs().max() > 0) for value in by_name.values())
    for name, value in by_name.items():
        torch.testing.assert_close(own[name], value, rtol=1e-4, atol=1e-6)


def test_logits_of_more_than_a_chunk_never_exist(llama: Path) -> None:
    base = load_whole(llama)._loaded.model
    seen: list[int] = []
    with trainable(base, LORA, 0) as wrapped:
        loss = loss_of(replace(TRAIN, logit_chunk=4))
        loss(wrapped, ROWS)
        watch = base.get_output_embeddings().register_forward_hook(lambda *call: seen.append(call[2].shape[0]))
        loss(wrapped, ROWS)
        watch.remove()
    assert seen == [4, 4, 1]


def test_training_in_chunks_learns_the_same_and_resumes_exactly(llama: Path, tmp_path: Path) -> None:
    plain, chunked, model = Watch(), Watch(), load(llama)
    train = replace(TRAIN, logit_chunk=16)
    model.train(EXAMPLES, LORA, TRAIN, tmp_path / "plain", plain)
    whole = model.train(EXAMPLES, LORA, train, tmp_path / "chunked", chunked)
    assert [one.loss for one in chunked.steps] == pytest.approx([one.loss for one in plain.steps], rel=1e-4)
    halfway = Watch(stop_after=3)
    assert model.train(EXAMPLES, LORA, train, tmp_path / "resumed", halfway).status == "stopped"
    resumed = model.train(EXAMPLES, LORA, train, tmp_path / "resumed", NoHooks())
    last = [
        folder / f"step-{TRAIN.max_steps:06d}" / "adapter_model.safetensors"
        for folder in (tmp_path / "chunked", tmp_path / "resumed")
    ]
    assert whole.step == resumed.step == TRAIN.max_steps
    assert last[0].read_bytes() == last[1].read_bytes()
    with pytest.raises(Refusal, match="logit_chunk = 16, now it is 0"):
        model.train(EXAMPLES, LORA, TRAIN, tmp_path / "resumed", NoHooks())


def test_a_model_that_caps_its_logits_is_refused() -> None:
    sizes = {
        "hidden_size": 32,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "head_dim": 16,
    }
    config = Gemma2Config(vocab_size=64, num_key_value_heads=1, initializer_range=0.5, **sizes)
    config.final_logit_softcapping = 2.0
    base = Gemma2ForCausalLM(config)
    with trainable(base, LORA, 0) as wrapped, pytest.raises(Refusal, match="more to its logits than its head"):
        loss_of(replace(TRAIN, logit_chunk=4))(wrapped, ROWS)


def test_float16_is_refused(llama: Path) -> None:
    base = load_whole(llama)._loaded.model.to(torch.float16)
    with trainable(base, LORA, 0) as wrapped, pytest.raises(Refusal, match="float16"):
        loss_of(replace(TRAIN, logit_chunk=4))(wrapped, ROWS)
