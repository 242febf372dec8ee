"""What Metal lets a model use of a Mac's memory, kept wired while the model is held, and what decoding gives back."""

from __future__ import annotations

import mlx.core as mx

from env.space import size_text

# Weights beyond this share of what Metal recommends leave no room for caches: macOS then moves memory to and fro.
_TIGHT = 0.9
# Steps between two returns of buffers that no array uses: a cache that grows leaves one of each size behind.
CLEAR_EVERY = 256


def wire_memory(device: str, weights_bytes: int) -> dict[str, str]:
    """Wire what Metal recommends for this process, and return that choice, name -> "value: reason"; {} on a CPU.

    Without it macOS may unmap weights between two steps (mlx_lm does the same around its generation).
    """
    if device != "gpu":
        return {}
    most = int(mx.device_info()["max_recommended_working_set_size"])
    mx.set_wired_limit(most)
    reason = f"what Metal recommends on this Mac; the weights take {size_text(weights_bytes)}"
    if weights_bytes > _TIGHT * most:
        reason += ", WARNING: nearly all of it, which makes every step slow; use a smaller model or q4"
    return {"wired memory": f"{size_text(most)}: {reason}"}


def give_back(step: int) -> None:
    """Return unused buffers to the system at every ``CLEAR_EVERY``-th ``step``."""
    if step % CLEAR_EVERY == CLEAR_EVERY - 1:
        mx.clear_cache()
