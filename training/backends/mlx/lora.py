"""Putting a trainable adapter on a base model: exactly the requested modules, never a router or an expert."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx.utils import tree_flatten, tree_unflatten
from mlx_lm.tuner.dora import DoRALinear
from mlx_lm.tuner.lora import LoRALinear

from env.refusal import Refusal
from training.backends.local.targets import is_forbidden, select_targets
from training.backends.mlx.adapters import LowRank, read_adapter, shape_of, write_adapter
from training.backends.mlx.loading import linear_modules
from training.records import LoraSettings

_LEAVES = frozenset({"lora_a", "lora_b", "m"})


def target_modules(model: Any, lora: LoraSettings) -> tuple[str, ...]:
    """Return the full names of the modules that get an adapter, in layer order. Raises as ``select_targets``."""
    return select_targets([name for name, _ in linear_modules(model)], lora)


@contextmanager
def trainable(model: Any, lora: LoraSettings, seed: int) -> Iterator[dict[str, Any]]:
    """Put mlx-lm's adapter modules on ``model``; yield them by name. On exit the very same base modules are back.

    Raises:
        Refusal: as ``target_modules``, or a parameter that was not requested would train.
    """
    targets = target_modules(model, lora)
    modules = dict(model.named_modules())
    base = [(name, modules[name]) for name in targets]
    scaling = lora.alpha / math.sqrt(lora.r) if lora.rslora else lora.alpha / lora.r
    kind = DoRALinear if lora.dora else LoRALinear
    mx.random.seed(seed)
    adapted = {name: kind.from_base(module, r=lora.r, dropout=lora.dropout, scale=scaling) for name, module in base}
    model.update_modules(tree_unflatten(list(adapted.items())))
    try:
        _require_only(model, targets)
        mx.eval(model.trainable_parameters())
        yield adapted
    finally:
        model.update_modules(tree_unflatten(base))
        model.freeze()
        model.eval()


def save_adapter(adapted: dict[str, Any], lora: LoraSettings, folder: Path) -> None:
    """Write the adapter modules' matrices into ``folder``, for PEFT and for mlx-lm."""
    adapter = {
        name: LowRank(module.lora_a, module.lora_b, module.scale, module.get("m")) for name, module in adapted.items()
    }
    write_adapter(adapter, lora, folder)


def load_adapter(adapted: dict[str, Any], folder: Path, base_digest: str) -> None:
    """Set the adapter modules' matrices to those in ``folder``, bit for bit."""
    saved = read_adapter(folder, base_digest)
    if saved.keys() != adapted.keys():
        odd = ", ".join(sorted(saved.keys() ^ adapted.keys())[:3])
        raise Refusal(f"{folder}: its adapter does not fit: {odd}.")
    for name, change in saved.items():
        adapted[name].lora_a, adapted[name].lora_b = change.down, change.up
        if change.magnitude is not None:
            adapted[name].m = change.magnitude


def adapter_sizes(model: Any, targets: tuple[str, ...], lora: LoraSettings) -> dict[str, int]:
    """Return the elements of every parameter that ``lora`` trains on the modules ``targets``, by its name on disk."""
    modules = dict(model.named_modules())
    sizes: dict[str, int] = {}
    for name in targets:
        rows, columns = shape_of(modules[name])
        sizes[f"{name}.lora_A.weight"] = lora.r * columns
        sizes[f"{name}.lora_B.weight"] = lora.r * rows
        if lora.dora:
            sizes[f"{name}.lora_magnitude_vector"] = rows
    return sizes


def _require_only(model: Any, targets: tuple[str, ...]) -> None:
    """Check the library's work: exactly the requested modules' matrices would train."""
    would = [name for name, _ in tree_flatten(model.trainable_parameters())]
    for name in would:
        module, _, leaf = name.rpartition(".")
        if module not in targets or leaf not in _LEAVES or is_forbidden(name):
            raise Refusal(f"{name} would train, and is not part of the requested adapter.")
    missing = set(targets) - {name.rpartition(".")[0] for name in would}
    if missing:
        raise Refusal(f"The adapter is not on the requested modules: {', '.join(sorted(missing)[:3])}.")
