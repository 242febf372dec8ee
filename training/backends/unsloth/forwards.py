"""Which code a loaded model computes with: transformers' own, or unsloth's replacement."""

from __future__ import annotations

from inspect import signature
from typing import Any

_CACHE = frozenset({"past_key_values", "past_key_value"})


def patched_by(model: Any) -> str | None:
    """Return "Class: module" of the decoder's first part that receives keys and values and is not transformers' own.

    None means that everything true of transformers' models is true of this one: any key/value cache, any rows, hooks.
    unsloth's fast inference replaces the forward of these classes, on a GPU, and stores keys and values differently.
    """
    for part in model.get_decoder().modules():
        home = str(getattr(part.forward, "__module__", "unknown"))
        if not home.startswith("transformers.") and _CACHE & signature(part.forward).parameters.keys():
            return f"{type(part).__name__}: {home}"
    return None
