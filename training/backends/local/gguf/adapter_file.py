"""A LoRA adapter as one GGUF file, which llama.cpp applies to its own copy of the base; read back number by number."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from env.refusal import Refusal
from training.backends.local.adapter_folder import by_module, read_terms
from training.backends.local.gguf.families import Layout
from training.checkpoints import ADAPTER_WEIGHTS

GGUF_ADAPTER = "adapter.gguf"

Matrices = dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]
"""Module -> A (r, inputs) and B (outputs, r)."""


def add_gguf(folder: Path, layout: Layout) -> str:
    """Write the adapter of ``folder``, in PEFT's layout, beside it for llama.cpp; return how it was read back.

    Raises:
        Refusal: it is a DoRA adapter, llama.cpp lacks one of its modules, or what is read back are other numbers.
    """
    import gguf

    terms = read_terms(folder)
    matrices = _matrices(folder, terms.rank)
    path = folder / GGUF_ADAPTER
    # llama.cpp scales B·A by alpha / r, whatever the adapter was trained with
    alpha = terms.scaling * terms.rank
    writer = gguf.GGUFWriter(path, layout.architecture)
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, alpha)
    for module, (down, up) in matrices.items():
        name = f"{layout.name(module)}.weight"
        writer.add_tensor(f"{name}.lora_a", down)
        writer.add_tensor(f"{name}.lora_b", layout.reordered(module, up))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    _require_equal(path, layout, matrices, alpha)
    return f"{GGUF_ADAPTER} by gguf, the same numbers"


def read_gguf(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[np.float32]]]:
    """Return the fields and the tensors (rows, columns) of the GGUF file ``path`` by name."""
    import gguf

    reader = gguf.GGUFReader(path)
    fields = {name: field.contents() for name, field in reader.fields.items()}
    return fields, {tensor.name: np.array(tensor.data) for tensor in reader.tensors}


def _matrices(folder: Path, rank: int) -> Matrices:
    from safetensors.torch import load_file

    tensors = {name: tensor.float().numpy() for name, tensor in load_file(folder / ADAPTER_WEIGHTS).items()}
    grouped = by_module(tensors, folder, rank)
    if any("lora_magnitude_vector" in parts for parts in grouped.values()):
        raise Refusal("--form gguf: llama.cpp applies no DoRA adapter.", "Export the cell with --form merged.")
    return {module: (parts["lora_A"], parts["lora_B"]) for module, parts in grouped.items()}


def _require_equal(path: Path, layout: Layout, matrices: Mapping[str, Any], alpha: float) -> None:
    fields, tensors = read_gguf(path)
    expected = {
        f"{layout.name(module)}.weight.{part}": (module, matrix)
        for module, (down, up) in matrices.items()
        for part, matrix in (("lora_a", down), ("lora_b", up))
    }
    same = tensors.keys() == expected.keys() and fields["adapter.lora.alpha"] == np.float32(alpha)
    for name, (module, matrix) in expected.items() if same else ():
        found = layout.restored(module, tensors[name]) if name.endswith("lora_b") else tensors[name]
        same = same and np.array_equal(found, matrix)
    if not same:
        raise Refusal(f"{path}: read back, it holds other numbers than the adapter.", "Nothing was kept.")
