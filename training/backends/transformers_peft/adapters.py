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

from env.refusal import Refusal
from training.backends.local.adapter_folder import by_module, read_terms, require_adapter_of, require_fit
from training.backends.transformers_peft.loading import linear_modules
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


def read_adapter(folder: Path, base_digest: str, model: nn.Module) -> dict[str, LowRank]:
    """Return the adapter in ``folder`` by module name, known to fit ``model``.

    Raises:
        Refusal: a file is missing or damaged, it was trained on another base, it changes more than linear modules, or
            a module is missing in ``model`` or has another shape.
    """
    require_adapter_of(folder, base_digest)
    terms = read_terms(folder)
    adapter = {
        module: LowRank(parts["lora_A"], parts["lora_B"], terms.scaling, parts.get("lora_magnitude_vector"))
        for module, parts in by_module(_read_tensors(folder / ADAPTER_WEIGHTS), folder, terms.rank).items()
    }
    shapes = {name: (change.up.shape[0], change.down.shape[1]) for name, change in adapter.items()}
    linear = {name: (module.out_features, module.in_features) for name, module in linear_modules(model)}
    require_fit(shapes, linear, folder)
    return adapter


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


def _read_tensors(path: Path) -> dict[str, Tensor]:
    """Return float32 tensors by name."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return {name: tensor.float() for name, tensor in load_file(path).items()}
    except (SafetensorError, OSError, ValueError) as error:
        raise Refusal(f"{path}: damaged ({error}).") from None
