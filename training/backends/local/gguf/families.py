"""What llama.cpp calls the modules of a model, and in which order it holds the rows of their weights, by family."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from env.refusal import Refusal, choices_hint

# Type in config.json -> (architecture of the gguf package, whether queries and keys turn by pairs of neighbours).
# llama.cpp turns the first by (0, 1), (2, 3), ..., transformers by (0, d/2), (1, d/2 + 1), ...: rows are reordered.
_FAMILIES: dict[str, tuple[str, bool]] = {
    "llama": ("LLAMA", True),
    "mistral": ("LLAMA", True),
    "mixtral": ("LLAMA", True),
    "smollm3": ("SMOLLM3", True),
    "qwen2": ("QWEN2", False),
    "qwen3": ("QWEN3", False),
    "qwen3_moe": ("QWEN3MOE", False),
    "gpt_oss": ("GPT_OSS", False),
    "gemma2": ("GEMMA2", False),
    "gemma3_text": ("GEMMA3", False),
    "phi3": ("PHI3", False),
}


@dataclass(frozen=True, slots=True)
class Layout:
    """A family as llama.cpp lays it out.

    Attributes:
        architecture: its name there.
        names: module -> llama.cpp's name of it, for every module of every layer.
        heads: module's last name -> heads by which its output rows are reordered.
    """

    architecture: str
    names: Any
    heads: dict[str, int]

    def name(self, module: str) -> str:
        """Return llama.cpp's name of ``module``. Raises Refusal when it knows none."""
        found: str | None = self.names.get_name(module)
        if found is None:
            raise Refusal(
                f"--form gguf: llama.cpp knows no module {module} in {self.architecture}.",
                "Export with --form merged and use llama.cpp's converter.",
            )
        return found

    def reordered(self, module: str, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (outputs, ...) in llama.cpp's order of the outputs of ``module``."""
        heads = self.heads.get(module.rpartition(".")[2])
        if heads is None:
            return rows
        halves = rows.reshape(heads, 2, len(rows) // heads // 2, *rows.shape[1:])
        return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(rows.shape))

    def restored(self, module: str, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what ``reordered`` was given."""
        heads = self.heads.get(module.rpartition(".")[2])
        if heads is None:
            return rows
        pairs = rows.reshape(heads, len(rows) // heads // 2, 2, *rows.shape[1:])
        return np.ascontiguousarray(pairs.swapaxes(1, 2).reshape(rows.shape))


def require_family(folder: Path) -> Layout:
    """Return the layout of the model in ``folder``.

    Raises:
        Refusal: the package gguf is not installed, or the model is of no family that is known here.
    """
    try:
        import gguf
    except ImportError:
        raise Refusal(
            "--form gguf needs a package that is not installed.", 'Install it: pip install "gguf>=0.19,<0.20".'
        ) from None
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config = config.get("text_config") or config
    kind = str(config.get("model_type"))
    if kind not in _FAMILIES:
        raise Refusal(
            f"--form gguf: adapters of {kind} are not written for llama.cpp.",
            f"Export with --form merged and use llama.cpp's converter. {choices_hint(kind, _FAMILIES)}",
        )
    named, turns_by_neighbours = _FAMILIES[kind]
    architecture = gguf.MODEL_ARCH[named]
    queries = config["num_attention_heads"]
    heads = {"q_proj": queries, "k_proj": config.get("num_key_value_heads") or queries}
    return Layout(
        gguf.MODEL_ARCH_NAMES[architecture],
        gguf.get_tensor_name_map(architecture, config["num_hidden_layers"]),
        heads if turns_by_neighbours else {},
    )
