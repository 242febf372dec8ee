"""The mlx backend computes what transformers and torch compute: logits, log-probabilities, losses, updates."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.mlx_models import (
    ANSWER,
    EMBEDDED,
    PROMPT,
    load,
    logits,
    made,
    made_comparable,
    needs_mlx,
    torch_logits,
)
from tests.support.model_work import EXAMPLES, LORA, TRAIN
from tests.support.settings import prompt_form

pytestmark = needs_mlx


@pytest.mark.parametrize("name", ["llama", "mistral", "qwen2", "qwen3", "mixtral", "qwen3_moe", "gpt_oss"])
def test_an_architecture_computes_what_transformers_computes(name: str, tmp_path: Path) -> None:
    path = made_comparable(tmp_path, name)
    ours, theirs = logits(load(path)), torch_logits(load(path, "transformers_peft")._evaluated)
    # float32 on both sides; logits reach 6 and more
    assert np.abs(ours - theirs).max() < 1e-3


def test_log_probabilities_on_the_embedded_model_are_those_of_transformers() -> None:
    ours, theirs = load(EMBEDDED), load(EMBEDDED, "transformers_peft")
    for answer in (ANSWER, "local x = 1", "\n"):
        # measured: 4e-5 nats apart, over answers of up to 47 nats
        assert ours.log_prob(PROMPT, answer) == pytest.approx(theirs.log_prob(PROMPT, answer), abs=1e-3)
    assert ours.log_prob(PROMPT, "") == 0.0


def test_the_first_loss_and_chat_prompts_are_those_of_transformers(
    mlx_folder: Path, mlx_model: Any, tmp_path: Path
) -> None:
    theirs = load(mlx_folder, "transformers_peft")
    assert mlx_model.probe_step(EXAMPLES, LORA, TRAIN) == pytest.approx(
        theirs.probe_step(EXAMPLES, LORA, TRAIN), rel=1e-5
    )
    chatty = made(tmp_path, "qwen3")
    asked = ("hi", prompt_form("Lua."))
    assert load(chatty).apply_chat_template(*asked) == load(chatty, "transformers_peft").apply_chat_template(*asked)
    assert mlx_model.apply_chat_template(*asked) is None


def test_the_update_is_the_one_of_torch() -> None:
    import mlx.core as mx
    import mlx.nn as nn
    import torch
    from mlx.utils import tree_unflatten

    from training.backends.mlx.fitting import clipped_update, new_optimizer

    settings = replace(TRAIN, weight_decay=0.1, max_grad_norm=0.5)
    ours, theirs = nn.Linear(3, 2), torch.nn.Linear(3, 2)
    ours.weight, ours.bias = mx.array(theirs.weight.detach().numpy()), mx.array(theirs.bias.detach().numpy())
    mine, optimizer = new_optimizer(ours, settings), torch.optim.AdamW(theirs.parameters(), weight_decay=0.1)
    for step in range(1, 6):
        gradients = [np.random.default_rng(step).normal(size=size).astype(np.float32) for size in ((2, 3), (2,))]
        mine.learning_rate = mx.array(0.01 * step)
        tree = tree_unflatten([("weight", mx.array(gradients[0])), ("bias", mx.array(gradients[1]))])
        norm = clipped_update(ours, mine, tree, settings.max_grad_norm).item()
        theirs.weight.grad, theirs.bias.grad = (torch.from_numpy(gradient.copy()) for gradient in gradients)
        assert norm == pytest.approx(float(torch.nn.utils.clip_grad_norm_(theirs.parameters(), 0.5)), rel=1e-5)
        optimizer.param_groups[0]["lr"] = 0.01 * step
        optimizer.step()
        assert np.allclose(np.array(ours.weight), theirs.weight.detach().numpy(), atol=1e-6)
