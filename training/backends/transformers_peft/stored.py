"""Weights stored quantised on disk: their kind, and whether it is the requested one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from env.refusal import Refusal
from training.records import ModelSettings


def stored_quantization(config: Any) -> dict[str, Any]:
    """Return the quantisation that a model's folder declares, with "quant_method"; {} when its weights are plain."""
    # mlx-lm writes its own under both names
    found = getattr(config, "quantization_config", None) or getattr(config, "quantization", None)
    if found is None:
        return {}
    return dict(found) if isinstance(found, dict) else dict(found.to_dict())


def require_same_quantization(config: Any, folder: Path, settings: ModelSettings) -> None:
    """Raise Refusal when the weights in ``folder`` are quantised otherwise than ``settings`` says.

    NF4 weights of bitsandbytes are loaded as they are; any other kind cannot become NF4 without the plain weights.
    """
    stored = stored_quantization(config)
    if not stored:
        return
    if "quant_method" not in stored and {"bits", "group_size"} <= stored.keys():
        raise Refusal(
            f"{folder}: its weights are in mlx's own {stored['bits']} bits, which transformers_peft cannot load.",
            "Set backend=mlx with model.quantization=q4, or give the model's plain weights.",
        )
    method = str(stored.get("quant_method", "unknown"))
    is_nf4 = bool(stored.get("load_in_4bit")) and stored.get("bnb_4bit_quant_type") == "nf4"
    if is_nf4 and settings.quantization == "none":
        raise Refusal(f"{folder}: its weights are stored in 4 bits (NF4).", "Set model.quantization=nf4.")
    if is_nf4 or settings.quantization == "none":
        return
    raise Refusal(
        f"{folder}: its weights are already quantised ({method}).",
        "Give a folder with plain or NF4 weights, or set model.quantization=none where the library can unpack them.",
    )
