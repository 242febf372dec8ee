"""Model folders as transformers 5 writes them, translated into the keys that mlx-lm reads.

transformers 5 keeps rotary settings under ``rope_parameters``. Most of mlx-lm's models look for ``rope_theta``, do not
find it, and silently compute with another value.
"""

from __future__ import annotations

import inspect
import re
from typing import Any

import mlx.core as mx
from mlx_lm.utils import _get_classes

from env.refusal import Refusal

_EXPERTS = re.compile(r"(.*\.experts)\.(gate_up_proj|down_proj)(_bias)?$")


def config_changes(config: dict[str, Any]) -> dict[str, Any]:
    """Return the keys to add to config.json's content so that mlx-lm reads the same settings; pure."""
    changes: dict[str, Any] = {}
    rope = config.get("rope_parameters") or {}
    for key in ("rope_theta", "partial_rotary_factor"):
        if key in rope and key not in config:
            changes[key] = rope[key]
    if rope.get("rope_type", "default") != "default" and not config.get("rope_scaling"):
        changes["rope_scaling"] = {key: value for key, value in rope.items() if key != "rope_theta"}
    if "num_local_experts" in config and "num_experts" not in config:
        changes["num_experts"] = config["num_local_experts"]
    text = config.get("text_config")
    if isinstance(text, dict) and (inner := config_changes(text)):
        changes["text_config"] = {**text, **inner}
    return changes


def model_classes(config: dict[str, Any]) -> tuple[Any, Any]:
    """Return mlx-lm's model class, extended by the layouts below, and its class of settings; for its ``load_model``.

    Raises:
        Refusal: rotary settings are given by kind of layer, and this model of mlx-lm's would ignore them.
    """
    model, arguments = _get_classes(config)
    rope = config.get("rope_parameters") or {}
    by_kind = any(isinstance(value, dict) for value in rope.values())
    if by_kind and "rope_parameters" not in inspect.signature(arguments).parameters:
        raise Refusal(
            f"mlx-lm reads no rotary settings by kind of layer for {config['model_type']} (rope_parameters).",
            "Give a folder converted by mlx_lm.convert, or set backend=transformers_peft.",
        )
    return (_reading_plain_experts(model) if config["model_type"] == "gpt_oss" else model), arguments


def _reading_plain_experts(model: Any) -> Any:
    """Return gpt-oss's class reading experts in 16 or 32 bits too; mlx-lm's own knows the released 4-bit ones alone."""

    class Model(model):  # type: ignore[misc]
        def sanitize(self, weights: dict[str, mx.array]) -> dict[str, mx.array]:
            if not any(name.endswith(".gate_up_proj") for name in weights):
                found: dict[str, mx.array] = super().sanitize(weights)
                return found
            return _plain_experts(weights)

    return Model


def _plain_experts(weights: dict[str, mx.array]) -> dict[str, mx.array]:
    """Return ``weights`` with experts (count, inputs, outputs) transposed and gate and up separated.

    The two alternate along the last axis, as in transformers' GptOssExperts.
    """
    renamed: dict[str, mx.array] = {}
    for name, value in weights.items():
        match = _EXPERTS.match(name)
        if match is None:
            renamed[name] = value
            continue
        experts, part, is_bias = match.groups()
        leaf = "bias" if is_bias else "weight"
        pieces = (
            {"gate_proj": value[..., ::2], "up_proj": value[..., 1::2]}
            if part == "gate_up_proj"
            else {"down_proj": value}
        )
        for piece, array in pieces.items():
            renamed[f"{experts}.{piece}.{leaf}"] = mx.contiguous(array if is_bias else array.swapaxes(-1, -2))
    return renamed
