"""Adapters in memory and on disk: read, checked against the base, applied at a scale, and written for mlx-lm and PEFT.

One folder serves both libraries: adapter_model.safetensors and the first half of adapter_config.json are PEFT's layout,
adapters.safetensors and the second half mlx-lm's, whose absolute ``scale`` is PEFT's alpha / r.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx.utils import tree_unflatten
from mlx_lm.tuner.dora import DoRALinear
from mlx_lm.tuner.lora import LoRALinear
from numpy.typing import NDArray

from env.refusal import Refusal
from training.backends.local.adapter_folder import by_module, read_terms, require_adapter_of, require_fit
from training.checkpoints import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from training.records import LoraSettings

Matrix = NDArray[np.float32]

MLX_WEIGHTS = "adapters.safetensors"
PLAIN = (nn.Linear, nn.QuantizedLinear)


@dataclass(frozen=True, slots=True)
class LowRank:
    """The adapter of one linear module.

    Attributes:
        down: A transposed, (in_features, r).
        up: B transposed, (r, out_features).
        scaling: alpha / r, or alpha / sqrt(r).
        magnitude: (out_features,) DoRA's learnt row norms; None without DoRA.
    """

    down: mx.array
    up: mx.array
    scaling: float
    magnitude: mx.array | None


def read_adapter(folder: Path, base_digest: str) -> dict[str, LowRank]:
    """Return the adapter in ``folder`` by module name.

    Raises:
        Refusal: a file is missing or damaged, it was trained on another base, or it changes more than linear modules.
    """
    require_adapter_of(folder, base_digest)
    terms = read_terms(folder)
    adapter: dict[str, LowRank] = {}
    for module, parts in by_module(_read_tensors(folder / ADAPTER_WEIGHTS), folder, terms.rank).items():
        down, up = mx.contiguous(parts["lora_A"].T), mx.contiguous(parts["lora_B"].T)
        adapter[module] = LowRank(down, up, terms.scaling, parts.get("lora_magnitude_vector"))
    return adapter


def read_fitting_adapter(folder: Path, base_digest: str, model: Any) -> dict[str, LowRank]:
    """Return ``read_adapter``, known to fit ``model``. Raises Refusal where a module is missing or of another shape."""
    adapter = read_adapter(folder, base_digest)
    shapes = {name: (change.up.shape[1], change.down.shape[0]) for name, change in adapter.items()}
    linear = {name: shape_of(module) for name, module in model.named_modules() if isinstance(module, PLAIN)}
    require_fit(shapes, linear, folder)
    return adapter


def shape_of(module: Any) -> tuple[int, int]:
    """Return (out_features, in_features) of a linear module, quantised or not."""
    rows, columns = module.weight.shape
    return (rows, columns * 32 // module.bits) if isinstance(module, nn.QuantizedLinear) else (rows, columns)


@contextmanager
def worn(model: Any, adapter: Mapping[str, LowRank], scale: float) -> Iterator[None]:
    """Apply ``adapter`` to ``model`` at ``scale`` inside the ``with`` block.

    Float32 weights are replaced by merged ones and put back, the very same arrays; other modules, quantised ones above
    all, are never merged into: mlx-lm's own adapter modules replace them inside the block.
    """
    with ExitStack() as undo:
        modules = dict(model.named_modules())
        for name, change in adapter.items() if scale else ():
            module = modules[name]
            if not isinstance(module, nn.QuantizedLinear) and module.weight.dtype == mx.float32:
                undo.callback(_put_back(module, module.weight))
                module.weight = merged_weight(module.weight, change, scale)
            else:
                undo.callback(model.update_modules, tree_unflatten([(name, module)]))
                model.update_modules(tree_unflatten([(name, _wrapped(module, change, scale))]))
        yield


def merged_weight(weight: mx.array, change: LowRank, scale: float) -> mx.array:
    """Return W + scale · (W' - W), W' being the trained weight; same shape and dtype as ``weight``.

    LoRA: W' = W + s·B·A (arXiv:2106.09685). DoRA: W' = m · V / |V| by rows with V = W + s·B·A (arXiv:2402.09353).
    """
    full = weight.astype(mx.float32)
    delta = change.scaling * (change.up.T @ change.down.T)
    if change.magnitude is not None:
        direction = full + delta
        norm = mx.linalg.norm(direction, axis=1, keepdims=True)
        delta = change.magnitude[:, None] * direction / norm - full
    return (full + scale * delta).astype(weight.dtype)


def write_adapter(adapter: Mapping[str, LowRank], lora: LoraSettings, folder: Path) -> None:
    """Write ``adapter`` into ``folder`` as PEFT and as mlx-lm lay it out."""
    write_matrices(adapter, folder)
    config = {**_peft_config(lora, list(adapter)), **_mlx_config(lora, adapter)}
    (folder / ADAPTER_CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def write_matrices(adapter: Mapping[str, LowRank], folder: Path) -> None:
    """Write the two weight files of ``adapter`` into ``folder``."""
    from safetensors.numpy import save

    peft: dict[str, Matrix] = {}
    own: dict[str, Matrix] = {}
    for name, change in adapter.items():
        down, up = np.array(change.down), np.array(change.up)
        own |= {f"{name}.lora_a": down, f"{name}.lora_b": up}
        prefix = f"base_model.model.{name}"
        peft |= {f"{prefix}.lora_A.weight": _rows(down.T), f"{prefix}.lora_B.weight": _rows(up.T)}
        if change.magnitude is not None:
            own[f"{name}.m"] = peft[f"{prefix}.lora_magnitude_vector"] = np.array(change.magnitude)
    # bytes first: a full disk is then an OSError, which is explained
    (folder / ADAPTER_WEIGHTS).write_bytes(save(peft, metadata={"format": "pt"}))
    (folder / MLX_WEIGHTS).write_bytes(save(own, metadata={"format": "mlx"}))


class _Interpolated(nn.Module):  # type: ignore[misc]
    """W·x + scale · (W'·x - W·x) of a DoRA module, whose weight is not linear in the scale."""

    def __init__(self, trained: Any, scale: float) -> None:
        super().__init__()
        self.trained, self.scale = trained, scale

    def __call__(self, x: mx.array) -> mx.array:
        base = self.trained.linear(x)
        return base + self.scale * (self.trained(x) - base)


def _wrapped(module: Any, change: LowRank, scale: float) -> Any:
    """Return mlx-lm's adapter module around ``module``, computing at ``scale``."""
    rank = change.down.shape[1]
    if change.magnitude is None:
        adapted = LoRALinear.from_base(module, r=rank, scale=scale * change.scaling)
    else:
        adapted = DoRALinear.from_base(module, r=rank, scale=change.scaling)
        adapted.m = change.magnitude
    adapted.lora_a, adapted.lora_b = change.down, change.up
    return adapted if change.magnitude is None else _Interpolated(adapted, scale)


def _put_back(module: Any, weight: mx.array) -> Callable[[], None]:
    def restore() -> None:
        module.weight = weight

    return restore


def _peft_config(lora: LoraSettings, targets: list[str]) -> dict[str, Any]:
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": lora.r,
        "lora_alpha": lora.alpha,
        "lora_dropout": lora.dropout,
        "target_modules": targets,
        "use_rslora": lora.rslora,
        "use_dora": lora.dora,
        "bias": "none",
        "inference_mode": True,
    }


def _mlx_config(lora: LoraSettings, adapter: Mapping[str, LowRank]) -> dict[str, Any]:
    """Return what mlx-lm reads; full module names as keys hit exactly these, whatever ``num_layers`` says."""
    scale = next(iter(adapter.values())).scaling
    return {
        "fine_tune_type": "dora" if lora.dora else "lora",
        "num_layers": len({name.split(".layers.")[-1].split(".")[0] for name in adapter}),
        "lora_parameters": {"rank": lora.r, "scale": scale, "dropout": lora.dropout, "keys": list(adapter)},
    }


def _rows(matrix: Matrix) -> Matrix:
    return np.ascontiguousarray(matrix)


def _read_tensors(path: Path) -> dict[str, mx.array]:
    """Return float32 tensors by name."""
    try:
        return {name: tensor.astype(mx.float32) for name, tensor in mx.load(str(path)).items()}
    except (RuntimeError, OSError, ValueError) as error:
        raise Refusal(f"{path}: damaged ({error}).") from None
