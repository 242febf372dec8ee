"""An adapter made part of its base: a model folder that needs no adapter any more.

A quantised base is unpacked first: an adapter's change is smaller than the rounding of 4 bits, and merging into packed
weights would lose it.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten, tree_unflatten
from mlx_lm.models.switch_layers import QuantizedSwitchLinear, SwitchLinear
from mlx_lm.utils import make_shards

from env.files import make_folder, sync_folder
from env.refusal import Refusal
from training.backends.mlx.adapters import LowRank, merged_weight
from training.backends.mlx.loading import Loaded

_WEIGHTS = ("model*.safetensors", "model.safetensors.index.json", "config.json")
_PACKED = (nn.QuantizedLinear, nn.QuantizedEmbedding, QuantizedSwitchLinear)


def write_fused(loaded: Loaded, adapter: Mapping[str, LowRank], scale: float, to: Path) -> None:
    """Write ``loaded`` with ``adapter`` merged at ``scale`` as the model folder ``to``, unquantised.

    It loads in mlx-lm; in transformers too where mlx-lm keeps its names (dense Llama, Mistral, Qwen). Tokenizer and
    generation settings are copied as they are.

    Raises:
        Refusal: ``to`` is there already.
    """
    if to.exists():
        raise Refusal(f"{to} is there already, and nothing is overwritten.", "Name a folder that does not exist.")
    make_folder(to.parent)
    partial = to.with_name(f".{to.name}.{os.getpid()}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        shutil.copytree(loaded.folder, partial, ignore=shutil.ignore_patterns(*_WEIGHTS, ".*"), symlinks=False)
        with _fused(loaded.model, adapter, scale):
            _write_weights(dict(tree_flatten(loaded.model.parameters())), partial)
        config = {key: value for key, value in loaded.config.items() if not key.startswith("quantization")}
        (partial / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        os.rename(partial, to)
        sync_folder(to.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def _fused(model: Any, adapter: Mapping[str, LowRank], scale: float) -> Iterator[None]:
    """Replace the modules that are packed or adapted by plain ones; the very same modules come back on exit."""
    modules = dict(model.named_modules())
    original = [(name, module) for name, module in modules.items() if isinstance(module, _PACKED) or name in adapter]
    plain = [(name, _plain(module, adapter.get(name), scale)) for name, module in original]
    model.update_modules(tree_unflatten(plain))
    try:
        yield
    finally:
        model.update_modules(tree_unflatten(original))


def _plain(module: Any, change: LowRank | None, scale: float) -> Any:
    """Return ``module`` unpacked, with ``change`` merged into its weight."""
    weight = module.weight
    if isinstance(module, _PACKED):
        weight = mx.dequantize(weight, module.scales, module.get("biases"), module.group_size, module.bits, module.mode)
    kind = (
        nn.Embedding
        if isinstance(module, nn.QuantizedEmbedding)
        else SwitchLinear
        if isinstance(module, QuantizedSwitchLinear)
        else nn.Linear
    )
    fresh = kind(*weight.shape[::-1], **({} if kind is nn.Embedding else {"bias": "bias" in module}))
    if "bias" in module:
        fresh.bias = module.bias
    fresh.weight = weight if change is None else merged_weight(weight, change, scale)
    return fresh


def _write_weights(weights: dict[str, mx.array], folder: Path) -> None:
    shards = make_shards(weights)
    total = sum(array.nbytes for array in weights.values())
    index: dict[str, str] = {}
    for number, shard in enumerate(shards, start=1):
        name = "model.safetensors" if len(shards) == 1 else f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        mx.save_safetensors(str(folder / name), shard, metadata={"format": "mlx"})
        index |= dict.fromkeys(shard, name)
    if len(shards) > 1:
        content = {"metadata": {"total_size": total}, "weight_map": dict(sorted(index.items()))}
        (folder / "model.safetensors.index.json").write_text(json.dumps(content, indent=2), encoding="utf-8")
