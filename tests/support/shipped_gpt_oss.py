"""The random gpt-oss model in the layout in which unsloth ships gpt-oss-20b in 4 bits, and the plain model it stands for."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from training.tiny_random.cache import made_folder

# what the shipped config.json says, in the number format of a CPU
_STORED = {
    "quant_method": "bitsandbytes",
    "load_in_4bit": True,
    "bnb_4bit_quant_type": "nf4",
    "bnb_4bit_compute_dtype": "float32",
    "bnb_4bit_use_double_quant": False,
    "bnb_4bit_quant_storage": "uint8",
    "llm_int8_skip_modules": ["router", "lm_head", "embed_tokens"],
}


def write_shipped(folder: Path) -> tuple[Path, Path]:
    """Write the two models under ``folder``; return (experts one by one and all in NF4, the same weights unpacked)."""
    from safetensors.torch import load_file, save_file

    source = made_folder("tiny_random:gpt_oss")
    shipped, plain = (Path(shutil.copytree(source, folder / name)) for name in ("shipped", "plain"))
    stored: dict[str, Any] = {}
    unpacked: dict[str, Any] = {}
    for name, tensor in load_file(source / "model.safetensors").items():
        more, unpacked[name] = _as_shipped(name, tensor.float())
        stored |= more
    save_file(stored, shipped / "model.safetensors", metadata={"format": "pt"})
    save_file(unpacked, plain / "model.safetensors", metadata={"format": "pt"})
    path = shipped / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "quantization_config": _STORED}), encoding="utf-8")
    return shipped, plain


def _as_shipped(name: str, tensor: Any) -> tuple[dict[str, Any], Any]:
    """Return (tensors by shipped name, what they stand for) of one tensor of transformers' layout."""
    import torch

    if name.endswith((".experts.gate_up_proj", ".experts.down_proj")):
        packed = [_packed(f"{name}s.{number}.weight", expert.T) for number, expert in enumerate(tensor)]
        stored = {key: part for parts, _ in packed for key, part in parts.items()}
        return stored, torch.stack([found.T for _, found in packed])
    if name.endswith((".experts.gate_up_proj_bias", ".experts.down_proj_bias")):
        plural = f"{name.removesuffix('_bias')}s"
        return {f"{plural}.{number}.bias": bias.contiguous() for number, bias in enumerate(tensor)}, tensor
    if name.endswith("_proj.weight"):
        return _packed(name, tensor)
    return {name.replace(".router.", ".router.linear."): tensor}, tensor


def _packed(name: str, weight: Any) -> tuple[dict[str, Any], Any]:
    """Return (the tensors as which bitsandbytes stores ``weight`` in NF4, what they stand for)."""
    from bitsandbytes.functional import dequantize_4bit, quantize_4bit

    data, state = quantize_4bit(weight.contiguous(), quant_type="nf4")
    parts = {f"{name}.{key}": part for key, part in state.as_dict(packed=True).items()}
    return {name: data, **parts}, dequantize_4bit(data, state)
