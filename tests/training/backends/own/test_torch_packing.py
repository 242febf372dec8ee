"""Packed rows give the loss and gradients of the same rows alone, in every family that can; the others are refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from env.refusal import Refusal
from tests.support.model_work import EXAMPLES, LORA, TRAIN, Watch, load, load_whole
from tests.support.tiny_random import make_model
from tests.training.backends.own.test_torch_layer_kinds import KINDS
from training.backends.transformers_peft.lora import trainable
from training.backends.transformers_peft.loss import packable
from training.backends.transformers_peft.loss.chunked_loss import loss_of
from training.backends.transformers_peft.loss.laying_out import kept_apart
from training.backends.transformers_peft.loss.packable import require_packable
from training.examples import TokenRow
from training.hooks import NoHooks
from training.packing import packed_batches

# of two batches; 20 + 9 and 12 + 7 stand side by side, and windows are of 16 and 8 tokens
STEP = [
    [TokenRow(tuple(range(2, 32)), 11), TokenRow(tuple(range(40, 49)), 6)],
    [TokenRow(tuple(range(60, 80)), 3), TokenRow(tuple(range(90, 102)), 1), TokenRow(tuple(range(110, 117)), 5)],
]
SHARING = {name: KINDS[name] for name in ("gemma3n_text", "gemma4_text")}
FAMILIES: dict[str, dict[str, Any]] = {
    **{name: {} for name in ("llama", "mistral", "qwen2", "qwen3", "mixtral", "gpt_oss", "phi3")},
    "gemma2": {"sliding_window": 8, "head_dim": 16},
    **SHARING,
}


def gradients(base: Any, step: Sequence[Sequence[TokenRow]], chunk: int = 0) -> tuple[float, dict[str, Any]]:
    """Return the summed loss of a step and its gradients, of an adapter whose B is not 0."""
    lora = replace(LORA, target_modules=("o_proj",), layers=())
    loss, total = loss_of(replace(TRAIN, logit_chunk=chunk)), 0.0
    with trainable(base, lora, 0) as wrapped:
        noise = torch.Generator().manual_seed(3)
        trained = {name: value for name, value in wrapped.named_parameters() if value.requires_grad}
        for value in trained.values():
            value.data.normal_(0.0, 0.1, generator=noise)
        wrapped.eval()
        for rows in step:
            summed = loss(wrapped, rows)
            total += float(summed.detach())
            summed.backward()  # type: ignore[no-untyped-call]
        return total, {name: value.grad.clone() for name, value in trained.items() if value.grad is not None}


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_packed_rows_give_the_loss_and_gradients_of_the_rows_alone(family: str, tmp_path: Path) -> None:
    base = load_whole(make_model(tmp_path, family, **FAMILIES[family]))._loaded.model
    require_packable(base)
    together = packed_batches(STEP, 2, 30)
    assert [len(line.parts) for batch in together for line in batch] == [1, 2, 2]
    expected, by_name = gradients(base, [[row] for batch in STEP for row in batch])
    found, own = gradients(base, together)
    assert found == pytest.approx(expected, rel=1e-5)
    assert own.keys() == by_name.keys()
    for name, value in by_name.items():
        assert value.abs().max() > 0
        torch.testing.assert_close(own[name], value, rtol=1e-3, atol=1e-5 * float(value.abs().max()))


def test_packed_rows_and_logits_in_chunks_go_together(llama: Path) -> None:
    base = load_whole(llama)._loaded.model
    expected, by_name = gradients(base, STEP)
    found, own = gradients(base, packed_batches(STEP, 2, 30), chunk=4)
    assert found == pytest.approx(expected, rel=1e-5)
    for name, value in by_name.items():
        torch.testing.assert_close(own[name], value, rtol=1e-3, atol=1e-5)


def test_training_packed_learns_the_same_in_fewer_forwards_and_resumes_exactly(llama: Path, tmp_path: Path) -> None:
    plain, packing, model = Watch(), Watch(), load(llama)
    alone = replace(TRAIN, batch_size=1, grad_accum=4, group_by_length=False)
    train = replace(alone, packing=True)
    examples = [replace(one, answer=one.answer * (1 + 30 * (n % 4 == 0))) for n, one in enumerate(EXAMPLES)]
    calls: list[int] = []
    count = model._loaded.model.register_forward_pre_hook(lambda *_: calls.append(1))
    model.train(examples, LORA, alone, tmp_path / "plain", plain)
    forwards = len(calls)
    calls.clear()
    whole = model.train(examples, LORA, train, tmp_path / "packed", packing)
    count.remove()
    assert len(calls) < forwards
    assert [one.loss for one in packing.steps] == pytest.approx([one.loss for one in plain.steps], rel=1e-4)
    assert [one.tokens for one in packing.steps] == [one.tokens for one in plain.steps]
    halfway = Watch(stop_after=3)
    assert model.train(examples, LORA, train, tmp_path / "resumed", halfway).status == "stopped"
    resumed = model.train(examples, LORA, train, tmp_path / "resumed", NoHooks())
    assert whole.step == resumed.step == TRAIN.max_steps
    last = [
        (folder / f"step-{TRAIN.max_steps:06d}" / "adapter_model.safetensors").read_bytes()
        for folder in (tmp_path / "packed", tmp_path / "resumed")
    ]
    assert last[0] == last[1]


@pytest.mark.parametrize("name", sorted(set(KINDS) - set(SHARING)))
def test_layers_that_carry_a_state_past_the_border_are_refused_by_name(name: str, tmp_path: Path) -> None:
    base = load_whole(make_model(tmp_path, name, **KINDS[name]))._loaded.model
    odd = set(base.config.layer_types) - {"full_attention"}
    with pytest.raises(Refusal, match=f"layers of kind {sorted(odd)[0]}"):
        require_packable(base)


def test_a_family_that_takes_no_masks_of_packed_rows_is_refused(tmp_path: Path) -> None:
    base = load_whole(make_model(tmp_path, "bloom"))._loaded.model
    with pytest.raises(Refusal, match="bloom takes no masks"):
        require_packable(base)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_model_in_which_a_row_sees_the_one_before_it_is_refused(
    llama: Path, monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype
) -> None:
    base = load_whole(llama)._loaded.model.to(dtype)
    require_packable(base)

    def positions_alone(model: Any, rows: Sequence[TokenRow]) -> dict[str, Any]:
        width = max(len(row.ids) for row in rows)
        seen_by_all = torch.ones(len(rows), width, dtype=torch.long)
        return {**kept_apart(model, rows), "attention_mask": seen_by_all} if kept_apart(model, rows) else {}

    monkeypatch.setattr(packable, "kept_apart", positions_alone)
    with pytest.raises(Refusal, match="would see the one before it"):
        require_packable(base)


def test_gate_a_probes_a_packed_run_and_refuses_where_training_would(tmp_path: Path) -> None:
    train = replace(TRAIN, packing=True)
    model = load_whole(make_model(tmp_path, "bloom"))
    with pytest.raises(Refusal, match="packing=true"):
        model.probe_step(EXAMPLES[:2], replace(LORA, target_modules=("query_key_value",)), train)
