"""Applying an adapter: the loaded base computes as if it were trained, and is exactly restored afterwards.

The weights' change is computed here from the adapter's matrices, by the formulas PEFT uses: importing PEFT costs four
seconds in every process that only measures, and its unmerge leaves rounding noise in the base.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from env.files import sha256_file
from env.refusal import Refusal
from training.backends.local.adapter_folder import read_terms, require_adapter_of, tensor_place
from training.checkpoints import ADAPTER_WEIGHTS


@dataclass(frozen=True, slots=True)
class LowRank:
    """The adapter of one linear module.

    Attributes:
        down: A, (r, in_features).
        up: B, (out_features, r).
        scaling: alpha / r, or alpha / sqrt(r).
        magnitude: (out_features,) DoRA's learnt row norms; None without DoRA.
    """

    down: Tensor
    up: Tensor
    scaling: float
    magnitude: Tensor | None


def read_adapter(folder: Path, base_digest: str) -> dict[str, LowRank]:
    """Return the adapter in ``folder`` by module name.

    Raises:
        Refusal: a file is missing or damaged, it was trained on another base, or it changes more than linear modules.
    """
    require_adapter_of(folder, base_digest)
    terms = read_terms(folder)
    tensors = _read_tensors(folder / ADAPTER_WEIGHTS)
    adapter: dict[str, LowRank] = {}
    for module, parts in tensors.items():
        if not {"lora_A", "lora_B"} <= parts.keys() or parts["lora_A"].shape[0] != terms.rank:
            raise Refusal(f"{folder}: module {module} lacks matrices of rank {terms.rank}.")
        adapter[module] = LowRank(parts["lora_A"], parts["lora_B"], terms.scaling, parts.get("lora_magnitude_vector"))
    return adapter


def require_fit(model: nn.Module, adapter: dict[str, LowRank], folder: Path) -> None:
    """Raise Refusal where a module of ``adapter`` is missing in ``model`` or has another shape."""
    modules = dict(model.named_modules())
    for name, change in adapter.items():
        module = modules.get(name)
        if not isinstance(module, nn.Linear):
            raise Refusal(
                f"{folder}: the base model has no linear module {name}: the adapter belongs to another model."
            )
        expected = (module.out_features, module.in_features)
        found = (change.up.shape[0], change.down.shape[1])
        if found != expected:
            raise Refusal(f"{folder}: {name} is {found} in the adapter and {expected} in the base model.")


@contextmanager
def worn(model: nn.Module, adapter: dict[str, LowRank], scale: float) -> Iterator[None]:
    """Apply ``adapter`` to ``model`` at ``scale`` inside the ``with`` block.

    Float32 weights are replaced by merged ones and put back, the very same tensors; other weights, 4-bit ones above
    all, are never merged into: their modules' outputs are corrected instead.

    Raises:
        Refusal: a DoRA adapter at a scale other than 0 or 1 on weights that cannot be merged into.
    """
    with ExitStack() as undo:
        for name, change in adapter.items() if scale else ():
            module = model.get_submodule(name)
            assert isinstance(module, nn.Linear)
            if module.weight.dtype == torch.float32:
                undo.callback(_put_back(module, module.weight.data))
                module.weight.data = merged_weight(module.weight.data, change, scale)
            else:
                undo.callback(module.register_forward_hook(_correction(change, scale, module)).remove)
        yield


@torch.no_grad()
def merged_weight(weight: Tensor, change: LowRank, scale: float) -> Tensor:
    """Return W + scale · (W' - W), W' being the trained weight; same shape and dtype as ``weight``.

    LoRA: W' = W + s·B·A (arXiv:2106.09685). DoRA: W' = m · V / |V| by rows with V = W + s·B·A (arXiv:2402.09353).
    """
    device = weight.device
    delta = change.scaling * (change.up.to(device) @ change.down.to(device))
    if change.magnitude is not None:
        direction = weight + delta
        norm = direction.norm(dim=1, keepdim=True)
        delta = change.magnitude.to(device)[:, None] * direction / norm - weight
    return weight + scale * delta


def _put_back(module: nn.Linear, original: Tensor) -> Callable[[], None]:
    def restore() -> None:
        module.weight.data = original

    return restore


def _correction(change: LowRank, scale: float, module: nn.Linear) -> Callable[[Any, Any, Tensor], Tensor]:
    """Return a forward hook that adds scale · s · B·A·x to a module's output."""
    if change.magnitude is not None:
        raise Refusal(
            "A DoRA adapter cannot be applied to weights that are held in 4 bits or 16 bits.",
            "Set model.evaluation=dequantized and model.dtype=float32.",
        )
    device = module.weight.device
    down, up = change.down.to(device), change.up.to(device)
    factor = scale * change.scaling

    def correct(_module: Any, inputs: Any, output: Tensor) -> Tensor:
        low = nn.functional.linear(inputs[0].to(down.dtype), down)
        return (output + nn.functional.linear(low, up) * factor).to(output.dtype)

    return correct


def _read_tensors(path: Path) -> dict[str, dict[str, Tensor]]:
    """Return float32 tensors by module name and part."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise Refusal(f"{path}: damaged ({error}).") from None
    grouped: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        module, part = tensor_place(name, path)
        grouped.setdefault(module, {})[part] = tensor.float()
    if not grouped:
        raise Refusal(f"{path}: holds no tensor.")
    return grouped


class AdapterShelf:
    """Adapters read before, by the digest of their weights, so that each is read and checked once."""

    def __init__(self, base_digest: str) -> None:
        self._base_digest = base_digest
        self._read: dict[str, dict[str, LowRank]] = {}

    def take(self, folder: Path, model: nn.Module) -> dict[str, LowRank]:
        """Return the adapter in ``folder``, known to fit ``model``. Raises Refusal as ``read_adapter`` does."""
        if not (folder / ADAPTER_WEIGHTS).is_file():
            raise Refusal(f"{folder}: {ADAPTER_WEIGHTS} is missing: this is not an adapter folder.")
        key = f"{folder.resolve()} {sha256_file(folder / ADAPTER_WEIGHTS)}"
        if key not in self._read:
            adapter = read_adapter(folder, self._base_digest)
            require_fit(model, adapter, folder)
            self._read = {key: adapter}
        return self._read[key]
