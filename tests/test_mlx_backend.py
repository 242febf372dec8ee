"""Claims about the mlx backend: it holds, wears, trains and exports the same models as transformers and mlx-lm do."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from env.refusal import Refusal
from training.backends import check_settings, export_adapter, load_model
from training.checkpoints import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from training.examples import TokenRow
from training.exports import ExportRequest, RoundTrip
from training.hooks import NoHooks
from training.records import Example, LoraSettings, ModelSettings, StepRecord, TrainingDiverged, TrainSettings
from training.tiny_random.architectures import architecture

pytestmark = [
    pytest.mark.mlx,
    pytest.mark.skipif(find_spec("mlx_lm") is None, reason="mlx-lm is not installed: pip install 'luagate[mlx]'"),
]

EMBEDDED = Path(__file__).resolve().parents[1] / "training/tiny/model"
EXAMPLES = [Example(f"square of {n}: ", str(n * n), f"row {n}") for n in range(24)]
LORA = LoraSettings(r=4, alpha=8.0, target_modules=("q_proj", "v_proj"), layers=(-2, -1))
TRAIN = TrainSettings(max_steps=6, batch_size=4, learning_rate=1e-2, checkpoint_every=2)
KINDS: list[dict[str, Any]] = [{}, {"rslora": True}, {"dora": True}]
PROMPT, ANSWER = "### Instruction:\nRegister a node.\n\n### Response:\n", 'core.register_node("a:b", {\n'


class Watch(NoHooks):
    """Keeps what it is told, and asks to stop after a step."""

    def __init__(self, stop_after: int = 0) -> None:
        self.stop_after = stop_after
        self.steps: list[StepRecord] = []

    def on_step(self, record: StepRecord) -> None:
        self.steps.append(record)

    def should_stop(self) -> bool:
        return self.steps[-1].step == self.stop_after


def made(folder: Path, name: str = "llama", seed: int = 0, **sizes: Any) -> Path:
    """Write the random model ``name`` into ``folder``."""
    from training.tiny_random.making import make_model

    folder.mkdir(parents=True, exist_ok=True)
    make_model(folder, architecture(name), seed, sizes)
    return folder


def load(folder: Path, backend: str = "mlx", **options: Any) -> Any:
    options = {"quantization": "none", "device": "cpu", "dtype": "float32", "threads": 1, **options}
    return load_model(backend, ModelSettings(str(folder), **options))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="module")
def model(folder: Path) -> Any:
    return load(folder)


@pytest.fixture(scope="module")
def quantized(folder: Path) -> Any:
    return load(folder, quantization="q4")


def copied(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def logits(model: Any) -> np.ndarray[Any, Any]:
    """Return the next-token logits at 38 positions, as the backend's own module computes them."""
    import mlx.core as mx

    return np.array(model._loaded.model(mx.arange(2, 40)[None])[0])


def torch_logits(model: Any) -> np.ndarray[Any, Any]:
    import torch

    with torch.inference_mode():
        return model(input_ids=torch.arange(2, 40)[None]).logits[0].numpy()


def trained(model: Any, folder: Path, steps: int = 3, **lora: Any) -> Path:
    """Return the folder of a small adapter on two layers, one of them with a module of the MLP."""
    chosen = replace(LORA, target_modules=("q_proj", "down_proj"), **lora)
    settings = replace(TRAIN, max_steps=steps, checkpoint_every=steps, learning_rate=3e-2)
    return Path(model.train(EXAMPLES, chosen, settings, folder, NoHooks()).checkpoints[-1].folder)


@pytest.fixture(scope="module")
def adapter_folder(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(model, tmp_path_factory.mktemp("adapter"))


# --- loading


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ({"quantization": "nf4"}, r"'nf4' is a format of bitsandbytes.*q4"),
        ({"device": "cuda"}, "drives Apple GPUs and CPUs"),
        ({"evaluation": "dequantized"}, "as they are held"),
        ({"double_quantization": True}, "of bitsandbytes' NF4"),
    ],
)
def test_a_setting_of_another_backend_is_refused_with_what_there_is(
    folder: Path, setting: dict[str, str], says: str
) -> None:
    with pytest.raises(Refusal) as refused:
        load(folder, **setting)
    assert re.search(says, f"{refused.value.sentence} {refused.value.fix}")


def test_an_apple_gpu_that_is_not_there_is_refused(folder: Path) -> None:
    import mlx.core as mx

    if mx.metal.is_available():
        pytest.skip("this machine has one")
    with pytest.raises(Refusal, match="sees no Apple GPU"):
        load(folder, device="mps")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_missing_file_is_refused_by_name(folder: Path, tmp_path: Path, name: str) -> None:
    (copied(folder, tmp_path) / name).unlink()
    with pytest.raises(Refusal, match=f"{name} is missing"):
        load(tmp_path / "copy")


@pytest.mark.parametrize(
    ("name", "content"),
    [("config.json", b"{"), ("config.json", b'{"model_type": "no_such_model"}'), ("model.safetensors", b"not tensors")],
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
    save_file(tensors, path)
    with pytest.raises(Refusal, match="Missing 1 parameters"):
        load(tmp_path / "copy")


def test_weights_besides_those_of_the_index_are_refused(folder: Path, tmp_path: Path) -> None:
    copy = copied(folder, tmp_path)
    shutil.copy(copy / "model.safetensors", copy / "model-extra.safetensors")
    with pytest.raises(Refusal, match=r"model-extra\.safetensors is not in the weight index"):
        load(copy)


def test_layers_with_a_running_state_are_refused() -> None:
    from mlx_lm.models.cache import ArraysCache

    from training.backends.mlx.loading import _windows

    class Running:
        layers = (None,)

        def make_cache(self) -> list[Any]:
            return [ArraysCache(2)]

    with pytest.raises(Refusal, match="ArraysCache keep a state"):
        _windows(Running(), Path("folder"))


def test_a_sliding_window_that_mlx_lm_leaves_out_is_said(tmp_path: Path) -> None:
    choices = load(made(tmp_path, "mistral", sliding_window=16)).choices
    assert choices["attention"] == "full: mlx-lm has no sliding window for mistral, whose configuration asks for 16"


def test_rotary_settings_that_mlx_lm_rounds_are_said(tmp_path: Path) -> None:
    choices = load(made(tmp_path, "gpt_oss", num_hidden_layers=2)).choices
    assert choices["attention"].startswith("1 full and 1 sliding layers: as configured; YaRN's borders are rounded")


def test_rotary_settings_by_kind_of_layer_that_mlx_lm_would_ignore_are_refused(folder: Path, tmp_path: Path) -> None:
    path = copied(folder, tmp_path) / "config.json"
    rope = {"full_attention": {"rope_type": "default", "rope_theta": 5000.0}}
    path.write_text(json.dumps({**json.loads(path.read_text()), "rope_parameters": rope}))
    with pytest.raises(Refusal, match="reads no rotary settings by kind of layer for llama"):
        load(tmp_path / "copy")


def test_every_automatic_choice_has_a_reason(folder: Path) -> None:
    choices = load(folder, device="auto", dtype="auto", quantization="q8").choices
    assert {"device", "dtype", "compilation", "quantization", "attention"} <= choices.keys()
    assert all(len(choice.split(": ", 1)[1]) > 8 for choice in choices.values())
    assert choices["quantization"].startswith("q8: 29 of 29 linear modules")


def test_the_base_is_identified_as_by_the_transformers_backend(folder: Path, model: Any, tmp_path: Path) -> None:
    theirs = load(folder, "transformers_peft").identity
    assert model.identity == theirs == load(copied(folder, tmp_path)).identity
    others = [load(folder, quantization=name).identity.digest for name in ("q4", "q8")]
    assert len({model.identity.digest, *others}) == 3


def test_parameters_are_counted_as_if_not_quantised(folder: Path, model: Any, quantized: Any) -> None:
    assert model.parameters == quantized.parameters == load(folder, "transformers_peft").parameters


def test_a_folder_in_mlx_format_keeps_its_own_quantisation(quantized: Any, folder: Path, tmp_path: Path) -> None:
    from mlx_lm.convert import convert

    convert(str(folder), str(tmp_path / "q4"), quantize=True, q_bits=4, q_group_size=64, dtype="float32")
    for asked in ("none", "q4"):
        packed = load(tmp_path / "q4", quantization=asked)
        assert packed.choices["quantization"].startswith("4 bits affine, groups of 64")
        assert np.array_equal(logits(packed), logits(quantized))
    with pytest.raises(Refusal, match="already quantised to 4 bits"):
        load(tmp_path / "q4", quantization="q8")


# --- the same numbers as the transformers backend


# mlx-lm rounds YaRN's borders whatever the configuration says: equal numbers need a configuration that rounds them too
YARN = {"rope_type": "yarn", "rope_theta": 150000.0, "factor": 32.0, "original_max_position_embeddings": 4096}
GPT_OSS = {"num_hidden_layers": 4, "sliding_window": 8, "rope_parameters": {**YARN, "truncate": True}}


@pytest.mark.parametrize("name", ["llama", "mistral", "qwen2", "qwen3", "mixtral", "qwen3_moe", "gpt_oss"])
def test_an_architecture_computes_what_transformers_computes(name: str, tmp_path: Path) -> None:
    path = made(tmp_path, name, **(GPT_OSS if name == "gpt_oss" else {}))
    ours, theirs = logits(load(path)), torch_logits(load(path, "transformers_peft")._evaluated)
    # float32 on both sides; logits reach 6 and more
    assert np.abs(ours - theirs).max() < 1e-3


def test_log_probabilities_on_the_embedded_model_are_those_of_transformers() -> None:
    ours, theirs = load(EMBEDDED), load(EMBEDDED, "transformers_peft")
    for answer in (ANSWER, "local x = 1", "\n"):
        # measured: 4e-5 nats apart, over answers of up to 47 nats
        assert ours.log_prob(PROMPT, answer) == pytest.approx(theirs.log_prob(PROMPT, answer), abs=1e-3)
    assert ours.log_prob(PROMPT, "") == 0.0


def test_the_first_loss_and_chat_prompts_are_those_of_transformers(folder: Path, model: Any, tmp_path: Path) -> None:
    theirs = load(folder, "transformers_peft")
    assert model.probe_step(EXAMPLES, LORA, TRAIN) == pytest.approx(theirs.probe_step(EXAMPLES, LORA, TRAIN), rel=1e-5)
    chatty = made(tmp_path, "qwen3")
    assert load(chatty).apply_chat_template("hi") == load(chatty, "transformers_peft").apply_chat_template("hi")
    assert model.apply_chat_template("hi") is None


def test_the_update_is_the_one_of_torch() -> None:
    import mlx.core as mx
    import mlx.nn as nn
    import torch
    from mlx.utils import tree_unflatten

    from training.backends.mlx.fitting import make_learner

    settings = replace(TRAIN, weight_decay=0.1, max_grad_norm=0.5)
    ours, theirs = nn.Linear(3, 2), torch.nn.Linear(3, 2)
    ours.weight, ours.bias = mx.array(theirs.weight.detach().numpy()), mx.array(theirs.bias.detach().numpy())
    learner, optimizer = make_learner(ours, settings, False), torch.optim.AdamW(theirs.parameters(), weight_decay=0.1)
    for step in range(1, 6):
        gradients = [np.random.default_rng(step).normal(size=size).astype(np.float32) for size in ((2, 3), (2,))]
        learner.optimizer.learning_rate = mx.array(0.01 * step)
        norm = learner.update(
            tree_unflatten([("weight", mx.array(gradients[0])), ("bias", mx.array(gradients[1]))])
        ).item()
        theirs.weight.grad, theirs.bias.grad = (torch.from_numpy(gradient.copy()) for gradient in gradients)
        assert norm == pytest.approx(float(torch.nn.utils.clip_grad_norm_(theirs.parameters(), 0.5)), rel=1e-5)
        optimizer.param_groups[0]["lr"] = 0.01 * step
        optimizer.step()
        assert np.allclose(np.array(ours.weight), theirs.weight.detach().numpy(), atol=1e-6)


# --- wearing an adapter


@pytest.mark.parametrize("quantization", ["none", "q4"])
@pytest.mark.parametrize("kind", KINDS)
def test_an_adapter_computes_what_mlx_lm_computes_and_leaves_the_base_bit_for_bit(
    folder: Path, quantization: str, kind: dict[str, bool], tmp_path: Path
) -> None:
    from mlx_lm.tuner.utils import load_adapters

    model = load(folder, quantization=quantization)
    base, adapter = logits(model), trained(model, tmp_path, **kind)
    with model.adapter(adapter, 1.0):
        ours = logits(model)
    with model.adapter(adapter, 0.5):
        half = logits(model)
    with model.adapter(adapter, 0.0):
        assert np.array_equal(logits(model), base)
    assert np.array_equal(logits(model), base)
    theirs = load(folder, quantization=quantization)
    load_adapters(theirs._loaded.model, str(adapter)).eval()
    assert np.allclose(ours, logits(theirs), atol=1e-3)
    assert np.abs(ours - base).max() > 10 * np.abs(ours - logits(theirs)).max()
    assert not np.allclose(half, base, atol=1e-2)
    assert not np.allclose(half, ours, atol=1e-2)


def test_a_scale_equals_multiplying_b(model: Any, adapter_folder: Path, tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    scaled = shutil.copytree(adapter_folder, tmp_path / "scaled", ignore=shutil.ignore_patterns("CHECKPOINT.json"))
    tensors = load_file(scaled / ADAPTER_WEIGHTS)
    save_file(
        {name: value * np.float32(0.25) if "lora_B" in name else value for name, value in tensors.items()},
        scaled / ADAPTER_WEIGHTS,
    )
    with model.adapter(adapter_folder, 0.25):
        ours = logits(model)
    with model.adapter(scaled, 1.0):
        assert np.allclose(logits(model), ours, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_an_adapter_loads_in_plain_peft(folder: Path, kind: dict[str, bool], tmp_path: Path) -> None:
    from peft import PeftModel

    model = load(folder)
    adapter = trained(model, tmp_path, **kind)
    with model.adapter(adapter, 1.0):
        ours = logits(model)
    base = load(folder, "transformers_peft")._loaded.model
    assert np.allclose(torch_logits(PeftModel.from_pretrained(base, adapter).eval()), ours, atol=1e-2)


def test_an_adapter_of_another_base_is_refused(adapter_folder: Path, quantized: Any) -> None:
    with pytest.raises(Refusal, match="another base model"), quantized.adapter(adapter_folder, 1.0):
        pass


def test_an_adapter_of_another_shape_is_refused_without_a_manifest(adapter_folder: Path, tmp_path: Path) -> None:
    bare = shutil.copytree(adapter_folder, tmp_path / "bare", ignore=shutil.ignore_patterns("CHECKPOINT.json"))
    other = load(made(tmp_path / "wide", intermediate_size=192))
    with pytest.raises(Refusal, match=r"is \(\d+, \d+\) in the adapter"), other.adapter(bare, 1.0):
        pass
    (bare / ADAPTER_WEIGHTS).write_bytes(b"x")
    with pytest.raises(Refusal, match="damaged"), other.adapter(bare, 1.0):
        pass


def test_two_adapters_at_once_are_an_error(model: Any, adapter_folder: Path) -> None:
    with model.adapter(adapter_folder, 1.0):
        with pytest.raises(RuntimeError, match="worn already"), model.adapter(adapter_folder, 1.0):
            pass
        with pytest.raises(RuntimeError, match="while an adapter is worn"):
            model.probe_step(EXAMPLES, LORA, TRAIN)


# --- training


def mean_loss(steps: list[StepRecord]) -> float:
    return sum(step.loss for step in steps) / len(steps)


@pytest.mark.parametrize("kind", [*KINDS, {"dropout": 0.2}])
def test_training_learns_and_leaves_the_base_as_it_was(quantized: Any, tmp_path: Path, kind: dict[str, Any]) -> None:
    from safetensors.numpy import load_file

    before, watch = logits(quantized), Watch()
    result = quantized.train(
        EXAMPLES, replace(LORA, **kind), replace(TRAIN, max_steps=18, checkpoint_every=6), tmp_path, watch
    )
    assert (result.status, result.step, result.targets, result.examples) == ("finished", 18, 4, 24)
    assert [one.step for one in result.checkpoints] == [6, 12, 18]
    assert mean_loss(watch.steps[-6:]) < mean_loss(watch.steps[:6]) - 0.1
    saved = load_file(result.checkpoints[-1].folder / ADAPTER_WEIGHTS)
    assert result.trainable == sum(result.patterns.values()) == sum(tensor.size for tensor in saved.values())
    assert np.array_equal(logits(quantized), before)


def test_ten_steps_a_stop_and_ten_more_are_twenty_straight_to_the_byte(model: Any, tmp_path: Path) -> None:
    lora, settings = replace(LORA, dropout=0.1), replace(TRAIN, max_steps=20, checkpoint_every=5, grad_accum=2)
    stopped = model.train(EXAMPLES, lora, settings, tmp_path / "stopped", Watch(11))
    assert (stopped.status, stopped.checkpoints[-1].step) == ("stopped", 11)
    finished = model.train(EXAMPLES, lora, settings, tmp_path / "stopped", NoHooks())
    straight = model.train(EXAMPLES, lora, settings, tmp_path / "straight", NoHooks())
    assert finished.resumed_from == 11
    for ours, theirs in zip(finished.checkpoints, straight.checkpoints, strict=True):
        for name in (ADAPTER_WEIGHTS, "adapters.safetensors", ADAPTER_CONFIG, "optimizer.safetensors"):
            assert (ours.folder / name).read_bytes() == (theirs.folder / name).read_bytes()


def test_checkpoints_of_another_run_are_not_gone_on_from(model: Any, quantized: Any, tmp_path: Path) -> None:
    model.train(EXAMPLES, LORA, TRAIN, tmp_path, Watch(2))
    with pytest.raises(Refusal, match=r"lora\.r = 4, now it is 8"):
        model.train(EXAMPLES, replace(LORA, r=8), TRAIN, tmp_path, NoHooks())
    with pytest.raises(Refusal, match="another base model"):
        quantized.train(EXAMPLES, LORA, TRAIN, tmp_path, NoHooks())


def test_only_answers_are_learnt_and_padding_changes_nothing(model: Any) -> None:
    from training.backends.mlx.fitting import batch_arrays, summed_loss

    module = model._loaded.model
    rows = [TokenRow(tuple(range(2, 12)), 4), TokenRow(tuple(range(40, 47)), 6), TokenRow((9, 8, 7), 1)]
    alone = sum(summed_loss(module, *batch_arrays([row], 1)).item() for row in rows)
    assert summed_loss(module, *batch_arrays(rows, 1)).item() == pytest.approx(alone, rel=1e-5)
    assert summed_loss(module, *batch_arrays(rows, 32)).item() == pytest.approx(alone, rel=1e-5)
    assert int((batch_arrays(rows, 1)[1] >= 0).sum().item()) == 9


def test_accumulated_batches_learn_as_one_large_batch(model: Any, tmp_path: Path) -> None:
    split, whole = Watch(), Watch()
    one = replace(TRAIN, max_steps=3, group_by_length=False)
    model.train(EXAMPLES, LORA, replace(one, batch_size=4, grad_accum=2), tmp_path / "split", split)
    model.train(EXAMPLES, LORA, replace(one, batch_size=8), tmp_path / "whole", whole)
    assert [record.loss for record in split.steps] == pytest.approx([record.loss for record in whole.steps], rel=1e-4)


def test_gradient_checkpointing_learns_the_same_and_is_undone(model: Any, tmp_path: Path) -> None:
    plain, saving, layer = Watch(), Watch(), type(model._loaded.model.layers[0])
    call = layer.__call__
    model.train(EXAMPLES, LORA, TRAIN, tmp_path / "plain", plain)
    model.train(EXAMPLES, LORA, replace(TRAIN, gradient_checkpointing=True), tmp_path / "saving", saving)
    assert [one.loss for one in saving.steps] == pytest.approx([one.loss for one in plain.steps], rel=1e-4)
    assert layer.__call__ is call


@pytest.mark.slow
def test_a_compiled_step_learns_the_same(model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # what Apple GPUs use; a CPU compiles by its C++ compiler
    if not shutil.which("g++"):
        pytest.skip("needs g++")
    lora, plain, compiled = replace(LORA, dropout=0.1), Watch(), Watch()
    settings = replace(TRAIN, max_steps=4, grad_accum=2)
    model.train(EXAMPLES, lora, settings, tmp_path / "plain", plain)
    monkeypatch.setattr(model, "_loaded", replace(model._loaded, compiled=True))
    model.train(EXAMPLES, lora, settings, tmp_path / "compiled", compiled)
    # other widths draw other dropout masks: the first loss is close, and learning goes on
    assert compiled.steps[0].loss == pytest.approx(plain.steps[0].loss, rel=0.05)
    assert compiled.steps[-1].loss < compiled.steps[0].loss


def test_a_loss_that_is_not_finite_ends_training_and_keeps_the_good_checkpoint(
    model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.backends.mlx import fitting

    calls, real = iter(range(100)), fitting.summed_loss

    def poisoned(*arguments: Any) -> Any:
        return real(*arguments) * (float("nan") if next(calls) == 4 else 1.0)

    monkeypatch.setattr(fitting, "summed_loss", poisoned)
    with pytest.raises(TrainingDiverged, match=r"at step 5: loss nan; checkpoint step-000004 is good"):
        model.train(EXAMPLES, LORA, TRAIN, tmp_path, NoHooks())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000002", "step-000004"]


def test_an_adapter_over_its_size_limit_is_refused_before_a_step(model: Any, tmp_path: Path) -> None:
    watch = Watch()
    with pytest.raises(Refusal, match=r"train\.max_adapter_mb is 0\.001"):
        model.train(EXAMPLES, LORA, replace(TRAIN, max_adapter_mb=0.001), tmp_path, watch)
    assert watch.steps == []


def test_float16_is_measured_but_not_trained(folder: Path) -> None:
    with pytest.raises(Refusal, match="vanish without loss scaling"):
        load(folder, dtype="float16").probe_step(EXAMPLES, LORA, TRAIN)


@pytest.mark.parametrize(
    ("name", "asked"),
    [("mixtral", "gate"), ("mixtral", "down_proj"), ("qwen3_moe", "gate"), ("gpt_oss", "router")],
)
def test_attention_of_a_mixture_of_experts_trains_and_its_experts_do_not(name: str, asked: str, tmp_path: Path) -> None:
    mixture = load(made(tmp_path / "model", name, num_hidden_layers=2), quantization="q4")
    result = mixture.train(EXAMPLES, LORA, replace(TRAIN, max_steps=2), tmp_path / "out", NoHooks())
    assert (result.status, result.targets) == ("finished", 4)
    with pytest.raises(Refusal, match=f"{asked} is a router or expert module"):
        mixture.probe_step(EXAMPLES, replace(LORA, target_modules=(asked,), layers=(-1,)), TRAIN)


def test_what_the_configuration_shows_is_refused_before_a_weight_is_read(folder: Path, tmp_path: Path) -> None:
    copy = copied(folder, tmp_path)
    (copy / "model.safetensors").write_bytes(b"not tensors")
    settings = ModelSettings(str(copy), quantization="q4", device="cpu")
    check_settings("mlx", settings, LORA)
    with pytest.raises(Refusal, match="'v_prj' is no linear module"):
        check_settings("mlx", settings, replace(LORA, target_modules=("v_prj",)))
    with pytest.raises(Refusal, match="format of bitsandbytes"):
        check_settings("mlx", replace(settings, quantization="nf4"), LORA)


def test_a_misspelt_module_and_a_layer_out_of_range_are_refused(model: Any) -> None:
    with pytest.raises(Refusal) as refused:
        model.probe_step(EXAMPLES, replace(LORA, target_modules=("q_proj", "v_prj")), TRAIN)
    assert refused.value.fix == 'Did you mean "v_proj"?'
    with pytest.raises(Refusal, match="the model has 4 layers"):
        model.probe_step(EXAMPLES, replace(LORA, layers=(4,)), TRAIN)


# --- export


def exported(model: Any, folder: Path, adapter: Path, scale: float, form: Any, to: Path) -> RoundTrip:
    quantization = "q4" if "q4" in model.identity.parts["quantization"] else "none"
    settings = ModelSettings(str(folder), quantization=quantization, device="cpu", dtype="float32")
    to.mkdir()
    return export_adapter("mlx", settings, ExportRequest(adapter, scale, form, to, ("local x = 1", "return {")))


@pytest.mark.parametrize("quantization", ["none", "q4"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_fused_model_computes_what_the_worn_adapter_computed(
    folder: Path, quantization: str, kind: dict[str, bool], tmp_path: Path
) -> None:
    model = load(folder, quantization=quantization)
    adapter = trained(model, tmp_path / "adapter", **kind)
    with model.adapter(adapter, 0.5):
        worn = logits(model)
    found = exported(model, folder, adapter, 0.5, "merged", tmp_path / "fused")
    assert (found.loaded_by, found.same_choice) == ("mlx_lm.load_model", 1.0)
    assert np.allclose(logits(load(tmp_path / "fused")), worn, atol=2e-3)
    assert np.allclose(torch_logits(load(tmp_path / "fused", "transformers_peft")._evaluated), worn, atol=1e-2)


@pytest.mark.parametrize("quantization", ["none", "q4"])
def test_an_adapter_with_its_scale_baked_in_loads_in_plain_mlx_lm_and_peft(
    folder: Path, quantization: str, tmp_path: Path
) -> None:
    from peft import PeftModel

    model = load(folder, quantization=quantization)
    adapter = trained(model, tmp_path / "adapter")
    with model.adapter(adapter, 0.25):
        worn = logits(model)
    found = exported(model, folder, adapter, 0.25, "adapter", tmp_path / "baked")
    assert found.loaded_by == "mlx_lm.load_adapters"
    with model.adapter(tmp_path / "baked", 1.0):
        assert np.allclose(logits(model), worn, atol=1e-4)
    if quantization == "none":
        base = load(folder, "transformers_peft")._loaded.model
        assert np.allclose(torch_logits(PeftModel.from_pretrained(base, tmp_path / "baked").eval()), worn, atol=1e-2)


def test_a_dora_adapter_is_not_baked_at_another_scale(folder: Path, model: Any, tmp_path: Path) -> None:
    adapter = trained(model, tmp_path / "adapter", dora=True)
    assert exported(model, folder, adapter, 1.0, "adapter", tmp_path / "whole").same_choice == 1.0
    with pytest.raises(Refusal, match="its magnitudes do not scale"):
        exported(model, folder, adapter, 0.5, "adapter", tmp_path / "half")


def test_a_fused_mixture_of_experts_loads_again(tmp_path: Path) -> None:
    path = made(tmp_path / "model", "gpt_oss", num_hidden_layers=2)
    model = load(path, quantization="q4")
    adapter = model.train(EXAMPLES, LORA, replace(TRAIN, max_steps=2), tmp_path / "out", NoHooks()).checkpoints[-1]
    with model.adapter(adapter.folder, 1.0):
        worn = logits(model)
    exported(model, path, adapter.folder, 1.0, "merged", tmp_path / "fused")
    assert "quantization" not in json.loads((tmp_path / "fused/config.json").read_text())
    assert np.allclose(logits(load(tmp_path / "fused")), worn, atol=1e-2)
