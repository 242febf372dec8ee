"""What the headers of safetensors files say: which tensors they hold, and whether the files are complete.

The format: eight bytes with the header's length, the header as JSON, the tensors' bytes without gaps
(https://github.com/huggingface/safetensors, "Format"). Nothing after the header is read.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from env.refusal import Refusal
from env.space import size_text

_FLOATS = frozenset({"F64", "F32", "F16", "BF16"})
_LENGTH_BYTES = 8
_LONGEST_HEADER_BYTES = 1 << 28
_AGAIN = "Download the file again."


@dataclass(frozen=True, slots=True)
class Tensors:
    """The tensors of the weight files: shapes of the floating-point ones, and the bytes of those stored packed.

    ``float_bytes`` are what the floating-point ones take in the files.
    """

    sizes: dict[str, tuple[int, ...]]
    packed_bytes: int
    float_bytes: int

    @property
    def unpacked_bytes(self) -> int:
        """About what the tensors take once 4-bit ones are unpacked to 16 bits each."""
        return self.float_bytes + 4 * self.packed_bytes


def weight_files(folder: Path) -> list[Path]:
    """Return the weight files that loading reads, sorted by name; empty when the folder holds none."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        return [folder / name for name in sorted(shards)]
    single = folder / "model.safetensors"
    return [single] if single.is_file() else []


def read_tensors(folder: Path) -> Tensors:
    """Return what the weight files that loading reads hold, from their headers alone.

    Raises:
        Refusal: there are none, or a header cannot be read.
    """
    try:
        files = weight_files(folder)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Refusal(f"{folder}: model.safetensors.index.json cannot be read ({error}).", _AGAIN) from None
    if not files:
        raise Refusal(f"{folder}: holds no safetensors file.", "Download the model's weights.")
    sizes: dict[str, tuple[int, ...]] = {}
    packed = floats = 0
    for path in files:
        for name, entry in _read_header(path)[1].items():
            taken = entry["data_offsets"][1] - entry["data_offsets"][0]
            if entry["dtype"] in _FLOATS:
                sizes[name] = tuple(entry["shape"])
                floats += taken
            else:
                packed += taken
    return Tensors(sizes, packed, floats)


def require_whole(files: Sequence[Path]) -> int:
    """Return the bytes of weight files that are as long as their headers say.

    Raises:
        Refusal: a header cannot be read, or a file is longer or shorter: a torn download, or a pointer in its place.
    """
    total = 0
    for path in files:
        start, header = _read_header(path)
        expected = start + max((entry["data_offsets"][1] for entry in header.values()), default=0)
        found = path.stat().st_size
        if found != expected:
            what = "torn: it ends too early" if found < expected else "longer than its header says"
            raise Refusal(f"{path} is {what}, {size_text(found)} of {size_text(expected)}.", _AGAIN)
        total += found
    return total


def _read_header(path: Path) -> tuple[int, dict[str, dict[str, Any]]]:
    """Return (where the tensors' bytes begin, name -> entry). Raises Refusal when it cannot be read."""
    try:
        with path.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(_LENGTH_BYTES))
            if length > _LONGEST_HEADER_BYTES:
                raise ValueError("it is longer than any real one")
            header = json.loads(stream.read(length))
        entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
        for entry in entries.values():
            _ = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"][1] - entry["data_offsets"][0]
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, struct.error) as error:
        raise Refusal(f"{path}: its header cannot be read ({error}).", _AGAIN) from None
    return _LENGTH_BYTES + length, entries
