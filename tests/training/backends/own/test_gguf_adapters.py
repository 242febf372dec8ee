"""An adapter for llama.cpp holds the numbers of the one in PEFT's layout, named and ordered as llama.cpp's base is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from env.refusal import Refusal
from tests.support.model_work import EXAMPLES
from tests.support.settings import lora_settings, model_settings, train_settings
from training.backends.local.gguf import adapter_file
from training.backends.local.gguf.adapter_file import GGUF_ADAPTER, read_gguf
from training.backends.local.gguf.families import Layout, require_family
from training.exports import ExportRequest, RoundTrip
from training.hooks import NoHooks
from training.models import export_adapter, load_model, local_folder

gguf = pytest.importorskip("gguf")

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
# family -> its name in llama.cpp, whether queries and keys are reordered there: as its own converter does it
FAMILIES = {
    "llama": ("llama", True),
    "mixtral": ("llama", True),
    "qwen2": ("qwen2", False),
    "gpt_oss": ("gpt-oss", False),
}
TEXTS = ("local x = 1",)


def settings(family: str) -> Any:
    return model_settings(f"tiny_random:{family}", quantization="none", device="cpu", dtype="float32", threads=1)


def trained(family: str, folder: Path, **lora: Any) -> Path:
    """Return the checkpoint of an adapter on attention in the last two layers."""
    chosen = lora_settings(r=4, alpha=8.0, layers=(-2, -1), **{"target_modules": ATTENTION, **lora})
    steps = train_settings(max_steps=2, batch_size=4, learning_rate=3e-2, checkpoint_every=2)
    with load_model("transformers_peft", settings(family)) as model:
        return Path(model.train(EXAMPLES[:8], chosen, steps, folder, NoHooks()).checkpoints[-1].folder)


def exported(family: str, adapter: Path, to: Path, scale: float = 0.5) -> RoundTrip:
    to.mkdir()
    return export_adapter("transformers_peft", settings(family), ExportRequest(adapter, scale, "gguf", to, TEXTS))


@pytest.fixture(scope="module")
def llama_adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained("llama", tmp_path_factory.mktemp("llama") / "adapter", rslora=True)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_the_file_holds_the_adapter_under_the_names_and_in_the_order_of_llama_cpp(family: str, tmp_path: Path) -> None:
    from safetensors.numpy import load_file
    from transformers.modeling_gguf_pytorch_utils import LlamaTensorProcessor

    name, is_reordered = FAMILIES[family]
    told = exported(family, trained(family, tmp_path / "adapter"), tmp_path / "out")
    assert told.loaded_by == "peft; adapter.gguf by gguf, the same numbers"
    fields, tensors = read_gguf(tmp_path / "out" / GGUF_ADAPTER)
    assert (fields["general.type"], fields["general.architecture"], fields["adapter.type"]) == ("adapter", name, "lora")
    assert fields["adapter.lora.alpha"] == 8.0
    folder = local_folder(settings(family))
    assert folder is not None
    config = json.loads((folder / "config.json").read_text())
    plain = load_file(tmp_path / "out" / "adapter_model.safetensors")
    assert len(plain) == len(tensors) == 2 * 2 * 4
    last = config["num_hidden_layers"] - 1
    for module, theirs in zip(ATTENTION, ("attn_q", "attn_k", "attn_v", "attn_output"), strict=True):
        ours = f"base_model.model.model.layers.{last}.self_attn.{module}"
        np.testing.assert_array_equal(tensors[f"blk.{last}.{theirs}.weight.lora_a"], plain[f"{ours}.lora_A.weight"])
        up = tensors[f"blk.{last}.{theirs}.weight.lora_b"]
        if is_reordered and module in ("q_proj", "k_proj"):
            assert not np.array_equal(up, plain[f"{ours}.lora_B.weight"])
            # the library's own reading of llama.cpp's weights
            heads = (config["num_attention_heads"], config["num_key_value_heads"] if module == "k_proj" else None)
            up = LlamaTensorProcessor()._reverse_permute_weights(up, *heads)
        np.testing.assert_array_equal(up, plain[f"{ours}.lora_B.weight"])


def test_its_alpha_carries_the_trained_scale_whatever_the_kind(llama_adapter: Path, tmp_path: Path) -> None:
    exported("llama", llama_adapter, tmp_path / "out")
    fields, _ = read_gguf(tmp_path / "out" / GGUF_ADAPTER)
    # llama.cpp multiplies by alpha / r; rslora's scale is alpha / sqrt(r)
    assert fields["adapter.lora.alpha"] / 4 == pytest.approx(8.0 / 2)


def test_a_dora_adapter_is_refused(tmp_path: Path) -> None:
    adapter = trained("llama", tmp_path / "adapter", dora=True)
    with pytest.raises(Refusal, match="applies no DoRA"):
        exported("llama", adapter, tmp_path / "out", scale=1.0)


def test_a_family_that_is_not_known_is_refused_before_a_weight_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.models.backend_module", lambda _: pytest.fail("loaded"))
    with pytest.raises(Refusal, match="adapters of deepseek_v3 are not written"):
        exported("deepseek_v3", tmp_path, tmp_path / "out")


def test_a_file_that_reads_back_as_other_numbers_is_refused(
    llama_adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def off_by_a_bit(path: Path) -> Any:
        fields, tensors = read_gguf(path)
        name = next(name for name in tensors if name.endswith("lora_b"))
        return fields, {**tensors, name: np.nextafter(tensors[name], np.float32(1))}

    monkeypatch.setattr(adapter_file, "read_gguf", off_by_a_bit)
    with pytest.raises(Refusal, match="holds other numbers"):
        exported("llama", llama_adapter, tmp_path / "out")


# --- where llama.cpp itself is installed (pip install llama-cpp-python builds it)


def write_base(folder: Path, layout: Layout, to: Path) -> None:
    """Write the model in ``folder`` as a GGUF file without a tokenizer."""
    from safetensors.torch import load_file

    config = json.loads((folder / "config.json").read_text())
    writer = gguf.GGUFWriter(to, layout.architecture)
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(512)
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
    writer.add_rope_dimension_count(config["hidden_size"] // config["num_attention_heads"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_tokenizer_model("none")
    for name, tensor in load_file(folder / "model.safetensors").items():
        module, part = name.rsplit(".", 1)
        writer.add_tensor(f"{layout.name(module)}.{part}", layout.reordered(module, tensor.float().numpy()))
    for write in (writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_tensors_to_file):
        write()
    writer.close()


@pytest.mark.parametrize("family", ["llama", "qwen2"])
def test_llama_cpp_computes_with_it_what_was_measured(family: str, tmp_path: Path) -> None:
    llama_cpp = pytest.importorskip("llama_cpp")
    torch = pytest.importorskip("torch")
    exported(family, trained(family, tmp_path / "adapter"), tmp_path / "out")
    folder = local_folder(settings(family))
    assert folder is not None
    write_base(folder, require_family(folder), tmp_path / "base.gguf")
    ids = list(range(20, 60))

    def theirs(**adapter: Any) -> NDArray[np.float32]:
        held = llama_cpp.Llama(str(tmp_path / "base.gguf"), n_ctx=64, logits_all=True, verbose=False, **adapter)
        held.eval(ids)
        return np.array(held.scores[: len(ids)])

    with load_model("transformers_peft", replace(settings(family))) as model:
        network: Any = model._evaluated  # type: ignore[attr-defined]

        def ours() -> NDArray[np.float32]:
            with torch.inference_mode():
                return np.array(network(input_ids=torch.tensor([ids])).logits[0])

        plain = ours()
        with model.adapter(tmp_path / "adapter" / "step-000002", 0.5):
            worn = ours()
    moved, spread = np.abs(worn - plain).max(), worn.std()
    assert np.abs(theirs() - plain).max() < 0.01 * spread
    assert np.abs(theirs(lora_path=str(tmp_path / "out" / GGUF_ADAPTER)) - worn).max() < 0.01 * spread < 0.1 * moved
