"""Claims about the transformers backend: what it loads, what it trains, what it refuses, and that nothing else moves."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_random import make_model
from torch.nn.functional import cross_entropy

from env.refusal import Refusal
from training.backends import load_model
from training.backends.transformers_peft import fitting, tuning
from training.backends.transformers_peft.choosing import choose_dtype
from training.backends.transformers_peft.fitting import batch_loss
from training.backends.transformers_peft.lora import target_modules, trainable
from training.checkpoints import ADAPTER_WEIGHTS
from training.examples import TokenRow
from training.hooks import NoHooks
from training.records import Example, LoraSettings, ModelSettings, StepRecord, TrainingDiverged, TrainSettings

EXAMPLES = [Example(f"square of {n}: ", str(n * n), f"row {n}") for n in range(24)]
LORA = LoraSettings(r=4, alpha=8.0, target_modules=("q_proj", "v_proj"), layers=(-2, -1))
TRAIN = TrainSettings(max_steps=6, batch_size=4, learning_rate=1e-2, checkpoint_every=2)


class Watch(NoHooks):
    """Keeps what it is told, and asks to stop after a step."""

    def __init__(self, stop_after: int = 0) -> None:
        self.stop_after = stop_after
        self.steps: list[StepRecord] = []
        self.checkpoints: list[Any] = []

    def on_step(self, record: StepRecord) -> None:
        self.steps.append(record)

    def on_checkpoint(self, checkpoint: Any) -> None:
        self.checkpoints.append(checkpoint)

    def should_stop(self) -> bool:
        return self.steps[-1].step == self.stop_after


def load(folder: Path, **options: Any) -> Any:
    return load_model("transformers_peft", ModelSettings(str(folder), **{"device": "cpu", "threads": 1, **options}))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="module")
def model(folder: Path) -> Any:
    return load(folder)


def copied(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def logits(model: Any) -> torch.Tensor:
    with torch.inference_mode():
        return model(input_ids=torch.arange(2, 40)[None]).logits


# --- loading


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_missing_file_is_refused_by_name(folder: Path, tmp_path: Path, name: str) -> None:
    (copied(folder, tmp_path) / name).unlink()
    with pytest.raises(Refusal, match=f"{name} is missing"):
        load(tmp_path / "copy")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", b"{"),
        ("config.json", b'{"model_type": "no_such_model"}'),
        ("model.safetensors", b"not tensors"),
        ("tokenizer.json", b"{}"),
    ],
)
def test_a_damaged_file_is_refused_with_its_folder(folder: Path, tmp_path: Path, name: str, content: bytes) -> None:
    (copied(folder, tmp_path) / name).write_bytes(content)
    with pytest.raises(Refusal, match=str(tmp_path)):
        load(tmp_path / "copy")


def test_weights_that_lack_a_tensor_are_refused_and_not_made_up(folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    path = copied(folder, tmp_path) / "model.safetensors"
    tensors = load_file(path)
    del tensors["model.layers.1.self_attn.q_proj.weight"]
    save_file(tensors, path, metadata={"format": "pt"})
    with pytest.raises(Refusal, match=r"lack 1 tensors \(model\.layers\.1\.self_attn\.q_proj\.weight\)"):
        load(tmp_path / "copy", quantization="none")


def test_a_missing_shard_is_refused_by_name(folder: Path, tmp_path: Path) -> None:
    copy = copied(folder, tmp_path)
    index = {"metadata": {}, "weight_map": {"model.norm.weight": "model-00002-of-00002.safetensors"}}
    (copy / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(Refusal, match=r"model-00002-of-00002\.safetensors is missing"):
        load(copy)


def test_a_missing_folder_is_refused_without_asking_the_hub(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="no such folder"):
        load(tmp_path / "nowhere")


def test_a_hub_model_that_cannot_be_had_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def offline(*arguments: Any, **options: Any) -> str:
        raise ConnectionError("no route")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    with pytest.raises(Refusal, match=r"the hub did not give it \(ConnectionError\)"):
        load(Path("some-org/some-model"))


def test_quantising_twice_is_refused(folder: Path, tmp_path: Path) -> None:
    path = copied(folder, tmp_path) / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "quantization_config": {"quant_method": "mxfp4"}}))
    with pytest.raises(Refusal, match=r"already quantised \(mxfp4\)"):
        load(tmp_path / "copy")


def test_layers_with_a_running_state_are_refused(folder: Path, tmp_path: Path) -> None:
    path = copied(folder, tmp_path) / "config.json"
    kinds = {"layer_types": ["linear_attention", "full_attention", "full_attention"]}
    path.write_text(json.dumps({**json.loads(path.read_text()), **kinds}))
    with pytest.raises(Refusal, match="layers of kind linear_attention"):
        load(tmp_path / "copy")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has the device")
def test_a_device_that_is_not_there_is_refused(folder: Path) -> None:
    with pytest.raises(Refusal, match="sees no CUDA device"):
        load(folder, device="cuda")


def test_every_automatic_choice_has_a_reason(folder: Path) -> None:
    choices = load(folder, device="auto", threads=0).choices
    told = {"device", "dtype", "threads", "evaluation", "quantization", "prompt", "start token", "end tokens"}
    assert choices.keys() == told
    assert all(len(choice.split(": ", 1)[1]) > 10 for choice in choices.values())
    assert choices["quantization"].startswith("nf4: 21 of 22 linear modules")


def test_the_identity_follows_content_and_quantisation_and_not_the_folder(folder: Path, tmp_path: Path) -> None:
    same = load(copied(folder, tmp_path)).identity
    assert same == load(folder).identity
    config = tmp_path / "copy/tokenizer_config.json"
    config.write_text(config.read_text().replace("{", '{"chat_template": "{{ messages[0].content }}", ', 1))
    others = [
        load(folder, quantization="none").identity,
        load(tmp_path / "copy").identity,
        load(make_model(tmp_path / "other", seed=3)).identity,
    ]
    assert len({same.digest, *(other.digest for other in others)}) == 4
    assert others[1].parts["weights"] == same.parts["weights"] != others[2].parts["weights"]


def test_parameters_are_counted_as_if_not_quantised(folder: Path, model: Any) -> None:
    assert model.parameters == load(folder, quantization="none").parameters == 125_632


# --- the quantised base


def test_dequantised_evaluation_is_bit_equal_to_the_quantised_base(model: Any) -> None:
    assert torch.equal(logits(model._evaluated), logits(model._loaded.model))


def test_evaluating_first_does_not_stop_training(folder: Path) -> None:
    # bitsandbytes repacks CPU weights in the first eval forward on AVX512_BF16 processors; then there is no gradient
    fresh = load(folder)
    expected = load(folder).probe_step(EXAMPLES, LORA, TRAIN)
    before = logits(fresh._loaded.model)
    assert fresh.probe_step(EXAMPLES, LORA, TRAIN) == expected
    assert torch.equal(logits(fresh._loaded.model), before)


# --- which parameters train


def test_exactly_the_asked_modules_of_the_asked_layers_train(model: Any) -> None:
    with trainable(model._loaded.model, LORA, seed=0) as wrapped:
        names = {name for name, parameter in wrapped.named_parameters() if parameter.requires_grad}
    expected = {
        f"base_model.model.model.layers.{layer}.self_attn.{module}.lora_{part}.default.weight"
        for layer in (1, 2)
        for module in ("q_proj", "v_proj")
        for part in "AB"
    }
    assert names == expected


def test_no_adapter_is_left_on_the_base(model: Any) -> None:
    before = {name: id(tensor) for name, tensor in model._loaded.model.named_parameters()}
    model.probe_step(EXAMPLES, LORA, TRAIN)
    assert {name: id(tensor) for name, tensor in model._loaded.model.named_parameters()} == before
    assert not model._loaded.model.training


def test_no_layers_means_all_of_them(model: Any) -> None:
    assert len(target_modules(model._loaded.model, replace(LORA, layers=()))) == 6


def test_a_misspelt_module_is_answered_with_the_nearest(model: Any) -> None:
    with pytest.raises(Refusal) as refused:
        target_modules(model._loaded.model, replace(LORA, target_modules=("q_proj", "v_prj")))
    assert "'v_prj' is no linear module in layers 1-2" in refused.value.sentence
    assert refused.value.fix == 'Did you mean "v_proj"?'


@pytest.mark.parametrize("layer", [3, -4])
def test_a_layer_out_of_range_is_refused(model: Any, layer: int) -> None:
    with pytest.raises(Refusal, match=f"lora.layers: {layer} is out of range, the model has 3 layers"):
        target_modules(model._loaded.model, replace(LORA, layers=(layer,)))


def test_a_layer_named_from_both_ends_is_refused(model: Any) -> None:
    with pytest.raises(Refusal, match="names a layer twice"):
        target_modules(model._loaded.model, replace(LORA, layers=(2, -1)))


@pytest.mark.parametrize("name", ["gate", "router", "shared_expert_gate"])
def test_a_router_is_refused_by_name(name: str) -> None:
    layer = torch.nn.Module()
    layer.add_module("q_proj", torch.nn.Linear(4, 4))
    layer.add_module("gate_proj", torch.nn.Linear(4, 4))
    layer.add_module(name, torch.nn.Linear(4, 4))
    toy = torch.nn.Module()
    toy.add_module("layers", torch.nn.ModuleList([layer]))
    with pytest.raises(Refusal, match=f"layers.0.{name} is a router or expert module"):
        target_modules(toy, replace(LORA, target_modules=(name,), layers=()))
    assert target_modules(toy, replace(LORA, target_modules=("gate_proj",), layers=())) == ("layers.0.gate_proj",)


def test_an_expert_is_refused_by_name() -> None:
    experts = torch.nn.Module()
    experts.add_module("experts", torch.nn.ModuleList([torch.nn.Linear(4, 4)]))
    experts.experts[0].add_module("up_proj", torch.nn.Linear(4, 4))
    toy = torch.nn.Module()
    toy.add_module("layers", torch.nn.ModuleList([experts]))
    with pytest.raises(Refusal, match="up_proj is a router or expert module"):
        target_modules(toy, replace(LORA, target_modules=("up_proj",), layers=()))


@pytest.mark.parametrize("layout", ["mixtral", "gpt_oss"])
def test_attention_of_a_mixture_of_experts_trains_and_its_experts_do_not(layout: str, tmp_path: Path) -> None:
    mixture = load(make_model(tmp_path / "model", layout))
    result = mixture.train(EXAMPLES, LORA, replace(TRAIN, max_steps=2), tmp_path / "out", NoHooks())
    assert (result.status, result.targets) == ("finished", 4)
    with pytest.raises(Refusal):
        target_modules(mixture._loaded.model, replace(LORA, target_modules=("gate",)))


# --- the loss


def test_only_answers_are_learnt_and_padding_changes_nothing(folder: Path) -> None:
    base = load(folder, quantization="none")._loaded.model
    rows = [TokenRow(tuple(range(2, 12)), 4), TokenRow(tuple(range(40, 47)), 6), TokenRow((9, 8, 7), 1)]
    expected = 0.0
    for row in rows:
        ids = torch.tensor([row.ids])
        scores = base(input_ids=ids).logits[0, row.prompt_length - 1 : -1]
        expected += float(cross_entropy(scores, ids[0, row.prompt_length :], reduction="sum"))
    loss, count = batch_loss(base, rows)
    assert (float(loss), count) == (pytest.approx(expected, rel=1e-5), 9)


def test_accumulated_batches_learn_as_one_large_batch(model: Any, tmp_path: Path) -> None:
    split, whole = Watch(), Watch()
    one = replace(TRAIN, max_steps=3, group_by_length=False)
    model.train(EXAMPLES, LORA, replace(one, batch_size=4, grad_accum=2), tmp_path / "split", split)
    model.train(EXAMPLES, LORA, replace(one, batch_size=8), tmp_path / "whole", whole)
    assert [record.loss for record in split.steps] == pytest.approx([record.loss for record in whole.steps], rel=1e-4)


# --- training


@pytest.mark.parametrize("kind", [{}, {"rslora": True}, {"dora": True}, {"dropout": 0.2}])
def test_training_learns_and_leaves_the_base_as_it_was(model: Any, tmp_path: Path, kind: dict[str, Any]) -> None:
    before, watch = logits(model._loaded.model), Watch()
    result = model.train(EXAMPLES, replace(LORA, **kind), replace(TRAIN, max_steps=12), tmp_path, watch)
    assert (result.status, result.step, result.targets, result.examples) == ("finished", 12, 4, 24)
    assert [one.step for one in result.checkpoints] == [2, 4, 6, 8, 10, 12]
    assert list(result.checkpoints) == watch.checkpoints
    assert watch.steps[-1].loss < watch.steps[0].loss - 0.5
    assert torch.equal(logits(model._loaded.model), before)


def test_the_result_counts_what_trained(model: Any, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    for kind in ({}, {"dora": True}):
        result = model.train(
            EXAMPLES, replace(LORA, **kind), replace(TRAIN, max_steps=2), tmp_path / str(kind), NoHooks()
        )
        saved = load_file(result.checkpoints[-1].folder / ADAPTER_WEIGHTS)
        assert result.trainable == sum(tensor.numel() for tensor in saved.values())


@pytest.mark.parametrize("stop_after", [3, 4])
def test_stopping_saves_and_going_on_ends_with_the_same_bytes(model: Any, tmp_path: Path, stop_after: int) -> None:
    stopped = model.train(EXAMPLES, LORA, TRAIN, tmp_path / "stopped", Watch(stop_after))
    assert (stopped.status, stopped.step, stopped.checkpoints[-1].step) == ("stopped", stop_after, stop_after)
    finished = model.train(EXAMPLES, LORA, TRAIN, tmp_path / "stopped", NoHooks())
    undisturbed = model.train(EXAMPLES, LORA, TRAIN, tmp_path / "undisturbed", NoHooks())
    assert (finished.status, finished.resumed_from) == ("finished", stop_after)
    assert [(one.step, one.digest) for one in finished.checkpoints] == [
        (one.step, one.digest) for one in undisturbed.checkpoints
    ]


def test_training_that_is_done_returns_at_once(model: Any, tmp_path: Path) -> None:
    first = model.train(EXAMPLES, LORA, TRAIN, tmp_path, NoHooks())
    watch = Watch()
    again = model.train(EXAMPLES, LORA, TRAIN, tmp_path, watch)
    assert watch.steps == []
    assert again.checkpoints == first.checkpoints
    assert again.resumed_from == 6


def test_a_damaged_newest_checkpoint_is_quarantined_and_made_again(model: Any, tmp_path: Path) -> None:
    first = model.train(EXAMPLES, LORA, TRAIN, tmp_path, NoHooks())
    (first.checkpoints[-1].folder / "optimizer.safetensors").write_bytes(b"rot")
    again = model.train(EXAMPLES, LORA, TRAIN, tmp_path, NoHooks())
    assert again.resumed_from == 4
    assert again.checkpoints == first.checkpoints
    assert again.quarantined[0].startswith("step-000006: ")


def test_checkpoints_of_other_settings_are_not_gone_on_from(model: Any, tmp_path: Path) -> None:
    model.train(EXAMPLES, LORA, replace(TRAIN, max_steps=6), tmp_path, Watch(2))
    with pytest.raises(Refusal, match=r"lora\.r = 4, now it is 8"):
        model.train(EXAMPLES, replace(LORA, r=8), TRAIN, tmp_path, NoHooks())
    with pytest.raises(Refusal, match="other examples"):
        model.train(EXAMPLES[1:], LORA, TRAIN, tmp_path, NoHooks())


def test_a_loss_that_is_not_finite_ends_training_and_keeps_the_good_checkpoint(
    model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = iter(range(100))

    def poisoned(wrapped: Any, rows: Any) -> Any:
        loss, count = batch_loss(wrapped, rows)
        return (loss * float("nan") if next(calls) == 4 else loss), count

    monkeypatch.setattr(tuning, "batch_loss", poisoned)
    with pytest.raises(TrainingDiverged, match=r"at step 5: loss nan; checkpoint step-000004 is good") as diverged:
        model.train(EXAMPLES, LORA, TRAIN, tmp_path, NoHooks())
    assert (diverged.value.step, diverged.value.last_good.step) == (5, 4)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000002", "step-000004"]


def test_an_adapter_over_its_size_limit_is_refused_before_a_step(model: Any, tmp_path: Path) -> None:
    watch = Watch()
    with pytest.raises(Refusal, match=r"train\.max_adapter_mb is 0\.001"):
        model.train(EXAMPLES, LORA, replace(TRAIN, max_adapter_mb=0.001), tmp_path, watch)
    assert watch.steps == []


def test_gradient_checkpointing_learns_the_same(model: Any, tmp_path: Path) -> None:
    plain, saving = Watch(), Watch()
    model.train(EXAMPLES, LORA, TRAIN, tmp_path / "plain", plain)
    model.train(EXAMPLES, LORA, replace(TRAIN, gradient_checkpointing=True), tmp_path / "saving", saving)
    assert [one.loss for one in saving.steps] == pytest.approx([one.loss for one in plain.steps], rel=1e-4)
    assert not model._loaded.model.is_gradient_checkpointing


@pytest.mark.parametrize("first_scale", [2.0**12, 2.0**40])
def test_float16_learns_what_float32_learns(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first_scale: float
) -> None:
    # the second scale overflows, and is halved until it does not
    halved, whole = Watch(), Watch()
    load(folder, quantization="none").train(EXAMPLES, LORA, TRAIN, tmp_path / "float32", whole)
    monkeypatch.setattr(fitting, "first_loss_scale", lambda dtype: first_scale)
    load(folder, quantization="none", dtype="float16").train(EXAMPLES, LORA, TRAIN, tmp_path / "float16", halved)
    assert [one.loss for one in halved.steps] == pytest.approx([one.loss for one in whole.steps], rel=0.01)
    assert [one.grad_norm for one in halved.steps] == pytest.approx([one.grad_norm for one in whole.steps], rel=0.05)


def test_only_float16_needs_its_losses_scaled() -> None:
    scales = {dtype: fitting.first_loss_scale(dtype) for dtype in (torch.float16, torch.bfloat16, torch.float32)}
    assert scales == {torch.float16: 4096.0, torch.bfloat16: 1.0, torch.float32: 1.0}


@pytest.mark.parametrize(
    ("native", "dtype", "why"),
    [(True, torch.bfloat16, "its range needs no loss scaling"), (False, torch.float16, "the GPU lacks bfloat16")],
)
def test_the_number_format_follows_the_gpu(
    monkeypatch: pytest.MonkeyPatch, native: bool, dtype: torch.dtype, why: str
) -> None:
    # torch counts an emulation as support, unless it is asked not to
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: native or including_emulation)
    chosen, reason = choose_dtype(ModelSettings("m"), "cuda")
    assert (chosen, why in reason) == (dtype, True)
    assert choose_dtype(ModelSettings("m"), "cpu")[0] is torch.float32


def test_training_while_an_adapter_is_worn_is_an_error(model: Any, tmp_path: Path) -> None:
    adapter = model.train(EXAMPLES, LORA, replace(TRAIN, max_steps=2), tmp_path, NoHooks()).checkpoints[-1]
    with model.adapter(adapter.folder, 1.0), pytest.raises(RuntimeError, match="while an adapter is worn"):
        model.probe_step(EXAMPLES, LORA, TRAIN)


def test_the_global_random_stream_is_left_alone(model: Any, tmp_path: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    model.train(EXAMPLES, replace(LORA, dropout=0.1), replace(TRAIN, max_steps=2), tmp_path, NoHooks())
    assert torch.equal(torch.rand(3), expected)
