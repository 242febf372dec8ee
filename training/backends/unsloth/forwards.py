"""Whose code a loaded model computes with: transformers' own, or what unsloth has put in its place."""

from __future__ import annotations

from inspect import signature
from typing import Any

_CACHE = frozenset({"past_key_values", "past_key_value"})


def patched_by(model: Any) -> str | None:
    """Return "Class: module" of the decoder's first part that is handed keys and values and is not transformers' own.

    None is a model on which everything holds that holds for transformers' models: any key/value cache, any rows, hooks.
    unsloth's fast inference replaces the forward of these classes, on a GPU, and keeps keys and values its own way.
    """
    for part in model.get_decoder().modules():
        home = str(getattr(part.forward, "__module__", "unknown"))
        if not home.startswith("transformers.") and _CACHE & signature(part.forward).parameters.keys():
            return f"{type(part).__name__}: {home}"
    return None
