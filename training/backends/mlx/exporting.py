"""Writing an adapter out of the project: its scale baked in, or fused with the base, and read back by plain mlx-lm.

A quantised base is unpacked before it is fused: an adapter's change is smaller than the rounding of 4 bits, and packing
it again would lose it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx.utils import tree_flatten, tree_unflatten
from mlx_lm.models.switch_layers import QuantizedSwitchLinear, SwitchLinear
from mlx_lm.tuner.utils import load_adapters
from mlx_lm.utils import load_model, make_shards
from numpy.typing import NDArray

from env.refusal import Refusal
from training.backends.mlx.adapters import LowRank, merged_weight, read_fitting_adapter, worn, write_matrices
from training.backends.mlx.loading import Loaded, load_base
from training.checkpoints import ADAPTER_CONFIG
from training.exports import ExportRequest, RoundTrip, require_close
from training.records import ModelSettings

# of the logits' spread: rounding of float32 sums only, or of weights that a fused model stores in 16 bits
_TOLERANCE = {mx.float32: 0.001, mx.bfloat16: 0.25, mx.float16: 0.05}
_NOT_COPIED = ("model*.safetensors", "model.safetensors.index.json", "config.json", "README.md", ".*")
_PACKED = (nn.QuantizedLinear, nn.QuantizedEmbedding, QuantizedSwitchLinear)


def export(settings: ModelSettings, request: ExportRequest, base_name: str) -> RoundTrip:
    """Write the export into ``request.to`` and return how it compares when read back.

    Args:
        base_name: the base model's name as known outside this project, written into an adapter's configuration.

    Raises:
        Refusal: the adapter is damaged or belongs to another base, its form does not allow the scale, or the export
            does not compute what was measured.
    """
    loaded = load_base(replace(settings, processes=1))
    adapter = read_fitting_adapter(request.adapter, loaded.identity.digest, loaded.model)
    ids = [loaded.texts.prompt(text) for text in request.texts]
    with worn(loaded.model, adapter, request.scale):
        measured = _logits(loaded.model, ids)
    if request.form == "adapter":
        write_baked(request.adapter, adapter, request.scale, request.to, base_name)
        again, loaded_by = load_adapters(loaded.model, str(request.to)), "mlx_lm.load_adapters"
    else:
        write_fused(loaded, adapter, request.scale, request.to)
        again, loaded_by = load_model(request.to)[0], "mlx_lm.load_model"
    found = compared(measured, _logits(again.eval(), ids), loaded_by)
    require_close(found, _TOLERANCE[loaded.dtype], request.to)
    return found


def write_baked(source: Path, adapter: Mapping[str, LowRank], scale: float, to: Path, base_name: str) -> None:
    """Write ``adapter``, read from ``source``, into ``to`` with ``scale`` multiplied into every B, in both layouts."""
    if scale != 1 and any(change.magnitude is not None for change in adapter.values()):
        raise Refusal(
            f"A DoRA adapter cannot be exported at scale {scale:g}: its magnitudes do not scale.",
            "Export the cell with --form merged.",
        )
    write_matrices({name: replace(change, up=change.up * scale) for name, change in adapter.items()}, to)
    config = json.loads((source / ADAPTER_CONFIG).read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = base_name
    (to / ADAPTER_CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def write_fused(loaded: Loaded, adapter: Mapping[str, LowRank], scale: float, to: Path) -> None:
    """Write ``loaded`` with ``adapter`` merged at ``scale`` into the folder ``to``, unquantised.

    It loads in mlx-lm; in transformers too where mlx-lm keeps its names (dense Llama, Mistral, Qwen). Tokenizer and
    generation settings are copied unchanged.
    """
    shutil.copytree(loaded.folder, to, ignore=shutil.ignore_patterns(*_NOT_COPIED), dirs_exist_ok=True)
    with _fused(loaded.model, adapter, scale):
        _write_weights(dict(tree_flatten(loaded.model.parameters())), to)
    config = {key: value for key, value in loaded.config.items() if not key.startswith("quantization")}
    (to / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def compared(measured: Sequence[NDArray[Any]], again: Sequence[NDArray[Any]], loaded_by: str) -> RoundTrip:
    """Return how the logits (positions, vocabulary) of each text differ."""
    first, second = np.concatenate(measured).astype(np.float64), np.concatenate(again).astype(np.float64)
    return RoundTrip(
        loaded_by=loaded_by,
        max_difference=float(np.abs(first - second).max()),
        spread=float(first.std()),
        positions=len(first),
        same_choice=float((first.argmax(axis=-1) == second.argmax(axis=-1)).mean()),
    )


def _logits(model: Any, ids: Sequence[list[int]]) -> list[NDArray[Any]]:
    return [np.array(model(mx.array([one]))[0].astype(mx.float32)) for one in ids]


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
        packing = (module.scales, module.get("biases"), module.group_size, module.bits, module.mode)
        weight = mx.dequantize(weight, *packing)
    if isinstance(module, nn.QuantizedEmbedding):
        fresh = nn.Embedding(*weight.shape)
    else:
        kind = SwitchLinear if isinstance(module, QuantizedSwitchLinear) else nn.Linear
        fresh = kind(*weight.shape[::-1], bias="bias" in module)
    if "bias" in module:
        fresh.bias = module.bias
    fresh.weight = weight if change is None else merged_weight(weight, change, scale)
    return fresh


def _write_weights(weights: dict[str, mx.array], folder: Path) -> None:
    shards = make_shards(weights)
    index: dict[str, str] = {}
    for number, shard in enumerate(shards, start=1):
        name = "model.safetensors" if len(shards) == 1 else f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        mx.save_safetensors(str(folder / name), shard, metadata={"format": "mlx"})
        index |= dict.fromkeys(shard, name)
    if len(shards) > 1:
        total = sum(array.nbytes for array in weights.values())
        content = {"metadata": {"total_size": total}, "weight_map": dict(sorted(index.items()))}
        (folder / "model.safetensors.index.json").write_text(json.dumps(content, indent=2), encoding="utf-8")
