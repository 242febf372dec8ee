"""What to change so that a gate needs less memory, computed from the configuration it ran out with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gates import GATES
from runner.runs.folder import command

_SHORTEST_ROWS = 256


def memory_advice(folder: Path, config: dict[str, Any], gate: str) -> str:
    """Return the most effective change, with the command that makes it."""
    trains = GATES[gate].heaviest == "training step"
    overrides, effect = lighter_training(config) if trains else lighter_generation(config)
    if not overrides:
        return "The configuration cannot save more memory: use a smaller model, or a machine with more memory."
    # another training or base needs a new attempt of what has started; a batch size does not
    verb = "retry" if trains else "rewind A" if "model.quantization" in overrides[0] else "advance"
    return f"`{command(folder, ' '.join((verb, *overrides)))}`: {effect}."


def lighter_training(config: dict[str, Any]) -> tuple[Sequence[str], str]:
    """Return overrides that make a training step smaller, and what they do; () when none is left."""
    train = config["gate"]["c"]["train"]
    rows, accumulated = int(train["batch_size"]), int(train["grad_accum"])
    if rows > 1:
        fewer = next(n for n in range(rows // 2, 0, -1) if rows % n == 0)
        more = accumulated * rows // fewer
        overrides = (f"gate.c.train.batch_size={fewer}", f"gate.c.train.grad_accum={more}")
        return overrides, f"{fewer} rows at once instead of {rows}, the same {rows * accumulated} a step"
    if not train["gradient_checkpointing"]:
        return ("gate.c.train.gradient_checkpointing=true",), "activations are recomputed instead of kept"
    if int(train["max_length"]) > _SHORTEST_ROWS:
        shorter = max(_SHORTEST_ROWS, int(train["max_length"]) // 2)
        return (f"gate.c.train.max_length={shorter}",), "longer rows are left out; the report counts them"
    return (), ""


def lighter_generation(config: dict[str, Any]) -> tuple[Sequence[str], str]:
    """Return overrides that make generation smaller, and what they do; () when none is left."""
    model = config["model"]
    if int(model["processes"]) > 1:
        return ("model.processes=1",), f"one copy of the model instead of {model['processes']}, the same numbers"
    sizes = model["batch_size"]
    # of several sizes Gate A kept one that it had tried
    rows = sizes if isinstance(sizes, int) else max(sizes)
    if rows > 1:
        half = rows // 2
        return (f"model.batch_size={half}",), f"{half} rows at once instead of {rows}, the same numbers"
    if model["quantization"] == "none":
        return ("model.quantization=nf4",), "the base in 4 bits, which is a different experiment"
    return (), ""
