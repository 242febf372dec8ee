"""Claims about real architectures in small: what trains in each, what their files hold, how they are spoken to."""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from env.refusal import Refusal
from eval.pipeline.prompts import plain_template, render
from eval.records import Row
from gates.measuring.prompting import examples_of
from tests.support.settings import lora_settings, model_settings, prompt_form, train_settings
from training.backends.local.adapter_folder import require_exact_adapter
from training.backends.local.targets import is_forbidden, parameter_patterns, select_targets
from training.checkpoints import ADAPTER_WEIGHTS
from training.examples import encode_examples
from training.hooks import NoHooks
from training.models import check_settings, load_model
from training.records import Example, LoraSettings, ModelSettings
from training.tiny_random.cache import write_model

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
MIXTURES = ("gpt_oss", "mixtral", "qwen3_moe")
DENSE = ("llama", "mistral", "qwen2", "qwen3")
LORA = lora_settings(r=4, alpha=8.0, target_modules=ATTENTION, layers=(-2, -1))
TRAIN = train_settings(max_steps=2, batch_size=4, learning_rate=1e-2, checkpoint_every=2, max_adapter_mb=1.0)
FORM = prompt_form("You write Lua.")
EXAMPLES = [Example(f"square of {n}: ", str(n * n), f"row {n}") for n in range(8)]


def settings(folder: Path, **options: Any) -> ModelSettings:
    return model_settings(str(folder), **{"device": "cpu", "threads": 1, **options})


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Any:
    made: dict[str, Path] = {}

    def folder(name: str) -> Path:
        if name not in made:
            made[name] = tmp_path_factory.mktemp("models") / name
            write_model(made[name], name, seed=0)
        return made[name]

    return folder


@pytest.fixture(scope="module")
def models(folders: Any) -> Any:
    loaded: dict[str, Any] = {}

    def model(name: str) -> Any:
        if name not in loaded:
            loaded[name] = load_model("transformers_peft", settings(folders(name)))
        return loaded[name]

    return model


def logits(model: Any, ids: list[int]) -> torch.Tensor:
    with torch.inference_mode():
        return model(input_ids=torch.tensor([ids])).logits


def in_float32(model: Any) -> Any:
    """Keep bitsandbytes from computing in bfloat16 on CPUs that have it, whatever was asked."""
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            vars(module)["support_avx512bf16_for_cpu"] = False
    return model


# --- what trains


@pytest.mark.parametrize("name", [*MIXTURES, *DENSE])
def test_attention_of_the_requested_layers_trains_and_nothing_else_is_in_the_file(
    name: str, models: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from safetensors.torch import load_file

    model = models(name)
    last = model._loaded.model.config.num_hidden_layers - 1
    with caplog.at_level(logging.INFO, logger="training"):
        result = model.train(EXAMPLES, LORA, TRAIN, tmp_path, NoHooks())
    modules = {f"model.layers.{layer}.self_attn.{part}" for layer in (last - 1, last) for part in ATTENTION}
    saved = load_file(result.checkpoints[-1].folder / ADAPTER_WEIGHTS)
    assert saved.keys() == {f"base_model.model.{module}.lora_{half}.weight" for module in modules for half in "AB"}
    expected = {
        f"model.layers.[{last - 1}-{last}].self_attn.{part}.lora_{half}.weight" for part in ATTENTION for half in "AB"
    }
    assert result.patterns.keys() == expected
    assert sum(result.patterns.values()) == result.trainable == sum(tensor.numel() for tensor in saved.values())
    listed = [record.getMessage().strip() for record in caplog.records]
    assert all(f"{pattern}: {count}" in listed for pattern, count in result.patterns.items())


@pytest.mark.parametrize("name", [*MIXTURES, "deepseek_v3"])
def test_routers_and_experts_of_real_mixtures_are_known_by_name(name: str, models: Any) -> None:
    names = [parameter for parameter, _ in models(name)._loaded.model.named_parameters()]
    routed = {parameter for parameter in names if is_forbidden(parameter)}
    assert any("experts" in parameter for parameter in routed)
    assert any("router" in parameter or ".gate." in parameter for parameter in routed)
    free = [p for p in set(names) - routed if not any(part in p for part in ("self_attn", "norm", "embed", "lm_head"))]
    # dense MLPs of the first layer are no experts
    assert all(".layers.0.mlp." in parameter for parameter in free)


@pytest.mark.parametrize(("name", "router"), [("gpt_oss", "router"), ("mixtral", "gate"), ("qwen3_moe", "gate")])
def test_asking_for_a_real_router_is_refused(name: str, router: str, models: Any, tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=rf"lora\.target_modules: .*{router}"):
        models(name).train(EXAMPLES, replace(LORA, target_modules=(router,)), TRAIN, tmp_path, NoHooks())


def test_deepseek_attention_is_not_trained_by_halves(models: Any, tmp_path: Path) -> None:
    # of q, k, v, o only o_proj is a module there: the others would be left out without a word
    with pytest.raises(Refusal, match=r"'q_proj' is not a linear module in layers 2-3"):
        models("deepseek_v3").train(EXAMPLES, LORA, TRAIN, tmp_path, NoHooks())
    only = models("deepseek_v3").train(EXAMPLES, replace(LORA, target_modules=("o_proj",)), TRAIN, tmp_path, NoHooks())
    assert only.targets == 2


def test_a_module_that_only_some_of_the_layers_have_is_refused() -> None:
    linear = [f"model.layers.{layer}.self_attn.q_proj" for layer in range(3)] + ["model.layers.0.mlp.up_proj"]
    with pytest.raises(Refusal, match=r"'up_proj' exists in only 1 of the 3 requested layers, not in 1-2"):
        select_targets(linear, replace(LORA, target_modules=("q_proj", "up_proj"), layers=()))


def test_a_second_tower_with_the_same_layer_numbers_is_refused() -> None:
    linear = [f"model.{tower}.layers.{layer}.self_attn.q_proj" for tower in ("text", "vision") for layer in range(2)]
    with pytest.raises(Refusal, match=r"more than one module of a layer: model\.text\.layers\.0\..*model\.vision"):
        select_targets(linear, replace(LORA, target_modules=("q_proj",), layers=()))


def test_parameters_are_listed_by_pattern() -> None:
    sizes = {"model.layers.3.q.lora_A": 8, "model.layers.7.q.lora_A": 8, "model.layers.3.q.lora_B": 2, "head.lora_A": 1}
    assert parameter_patterns(sizes) == {
        "model.layers.[3, 7].q.lora_A": 16,
        "model.layers.[3].q.lora_B": 2,
        "head.lora_A": 1,
    }


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        ("base_model.model.model.layers.0.mlp.router.weight", "is not a LoRA matrix"),
        ("base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight", "modules that were not requested"),
        ("base_model.model.model.layers.3.mlp.experts.lora_A.weight", "modules that were not requested"),
    ],
)
def test_an_adapter_file_with_more_than_was_requested_is_refused(extra: str, says: str, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    asked = "model.layers.3.self_attn.q_proj"
    tensors = {f"base_model.model.{asked}.lora_{half}.weight": torch.zeros(2, 2) for half in "AB"}
    save_file(tensors, tmp_path / ADAPTER_WEIGHTS)
    require_exact_adapter(tmp_path, [asked])
    save_file({**tensors, extra: torch.zeros(2, 2)}, tmp_path / ADAPTER_WEIGHTS)
    with pytest.raises(Refusal, match=says):
        require_exact_adapter(tmp_path, [asked])
    del tensors[f"base_model.model.{asked}.lora_B.weight"]
    save_file(tensors, tmp_path / ADAPTER_WEIGHTS)
    with pytest.raises(Refusal, match="lacks one of its two matrices"):
        require_exact_adapter(tmp_path, [asked])


# --- what plain libraries make of our adapters


@pytest.mark.parametrize("quantization", ["nf4", "none"])
@pytest.mark.parametrize("kind", [{}, {"rslora": True}, {"dora": True}])
@pytest.mark.parametrize("name", ["mistral", "mixtral"])
def test_plain_peft_and_transformers_compute_what_we_measure(
    name: str, kind: dict[str, bool], quantization: str, folders: Any, tmp_path: Path
) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    model = load_model("transformers_peft", settings(folders(name), quantization=quantization))
    adapter = model.train(EXAMPLES, replace(LORA, **kind), TRAIN, tmp_path, NoHooks()).checkpoints[-1].folder
    ids = model._texts.prompt("local x = 1")
    with model.adapter(adapter, 1.0):
        ours = logits(model._evaluated, ids)
    nf4 = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.float32)
    options = {"quantization_config": nf4} if quantization == "nf4" else {}
    plain = in_float32(AutoModelForCausalLM.from_pretrained(folders(name), dtype=torch.float32, **options))
    assert torch.allclose(logits(PeftModel.from_pretrained(plain, adapter).eval(), ids), ours, atol=2e-4)
    if not kind.get("dora"):
        direct = in_float32(AutoModelForCausalLM.from_pretrained(folders(name), dtype=torch.float32, **options))
        direct.load_adapter(str(adapter))
        assert torch.allclose(logits(direct.eval(), ids), ours, atol=2e-4)


# --- how they are spoken to


@pytest.mark.parametrize("name", ["llama", "mistral", "qwen3", "gpt_oss"])
def test_a_prompt_has_the_same_tokens_in_training_and_in_evaluation(name: str, models: Any) -> None:
    model = models(name)
    row = Row("Register a node.", "local mod = {}", "return mod", "scaffold")
    [example] = examples_of([row], model, FORM)
    [trained] = encode_examples([example], model._texts, TRAIN).rows
    asked = model._texts.prompt(render(row.instruction, row.input, model.apply_chat_template, FORM))
    assert list(trained.ids[: trained.prompt_length]) == asked
    spoken = model.apply_chat_template("x", FORM) is not None
    assert spoken == (name != "llama")
    assert (example.prompt == plain_template(row.instruction, row.input)) == (not spoken)
    start = model._texts.tokenizer.bos_token_id
    assert asked.count(start) == (1 if start is not None else 0)
    assert trained.ids[-1] in model._texts.end_tokens


def test_the_identity_names_everything_that_makes_two_bases_one(folders: Any, models: Any, tmp_path: Path) -> None:
    base = models("qwen3").identity
    assert base.parts.keys() == {"weights", "config", "quantization", "tokenizer", "chat_template", "end_tokens"}
    double = load_model("transformers_peft", settings(folders("qwen3"), double_quantization=True)).identity
    assert (base.parts["quantization"], double.parts["quantization"]) == ("nf4 in float32", "nf4 double in float32")
    copy = Path(shutil.copytree(folders("qwen3"), tmp_path / "copy"))
    path = copy / "generation_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "eos_token_id": [3]}))
    ends = load_model("transformers_peft", settings(copy)).identity
    changed = {key for key, value in ends.parts.items() if value != base.parts[key]}
    assert changed == {"end_tokens"}
    assert len({base.digest, double.digest, ends.digest}) == 3


# --- what is refused before a weight is read


@pytest.mark.parametrize(
    ("lora", "says"),
    [
        (replace(LORA, target_modules=("q_prj",)), "'q_prj' is not a linear module"),
        (replace(LORA, layers=(4,)), "4 is out of range, the model has 4 layers"),
        (replace(LORA, target_modules=("gate",)), r"lora\.target_modules"),
    ],
)
def test_an_adapter_that_does_not_fit_is_refused_without_reading_weights(
    lora: LoraSettings, says: str, folders: Any, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(folders("mixtral"), tmp_path / "copy"))
    (copy / "model.safetensors").write_bytes(b"not read")
    check_settings("transformers_peft", settings(copy), LORA)
    with pytest.raises(Refusal, match=says):
        check_settings("transformers_peft", settings(copy), lora)


@pytest.fixture(scope="module")
def stored_nf4(folders: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The llama model as bitsandbytes stores it in 4 bits."""
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    nf4 = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.float32)
    quantized = AutoModelForCausalLM.from_pretrained(folders("llama"), dtype=torch.float32, quantization_config=nf4)
    folder = tmp_path_factory.mktemp("stored")
    quantized.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(folders("llama") / name, folder)
    return folder


def test_weights_stored_in_4_bits_are_the_weights_quantised_here(stored_nf4: Path, models: Any, tmp_path: Path) -> None:
    check_settings("transformers_peft", settings(stored_nf4), LORA)
    stored = load_model("transformers_peft", settings(stored_nf4))
    ids = stored._texts.prompt("local x = 1")
    assert torch.equal(logits(stored._evaluated, ids), logits(models("llama")._evaluated, ids))
    assert stored.train(EXAMPLES, LORA, TRAIN, tmp_path, NoHooks()).status == "finished"


def test_weights_stored_in_4_bits_are_refused_where_they_cannot_be_held(
    stored_nf4: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Refusal, match=r"stored in 4 bits \(NF4\)"):
        check_settings("transformers_peft", settings(stored_nf4, quantization="none"), LORA)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    with pytest.raises(Refusal, match="'nf4' does not run on mps"):
        check_settings("transformers_peft", settings(stored_nf4, device="mps"), LORA)
    with pytest.raises(Refusal, match="cannot hold it"):
        check_settings("transformers_peft", settings(stored_nf4, quantization="q4"), LORA)


def test_rows_longer_than_the_context_are_dropped_and_named(folders: Any, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folders("llama"), tmp_path / "copy"))
    path = copy / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "max_position_embeddings": 24}))
    model = load_model("transformers_peft", settings(copy))
    rows = [*EXAMPLES, Example("x = 1 " * 12, "y", "line 9")]
    result = model.train(rows, LORA, TRAIN, tmp_path / "out", NoHooks())
    assert (result.dropped, result.dropped_rows, result.examples) == (1, ("line 9",), 8)
    with pytest.raises(Refusal, match=r"line 9 has \d+ tokens, more than the model's context of 24 tokens"):
        model.train(rows, LORA, replace(TRAIN, on_too_long="error"), tmp_path / "error", NoHooks())
