"""What an adapter folder in PEFT's layout says before a tensor is read: its base, its rank and its trained scale."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from env.files import sha256_file
from env.refusal import Refusal
from training.checkpoints import ADAPTER_CONFIG, ADAPTER_WEIGHTS, MANIFEST, read_checkpoint, read_manifest

Shape = tuple[int, int]


class Array(Protocol):
    """A tensor of any library."""

    @property
    def shape(self) -> Any: ...


Tensor = TypeVar("Tensor", bound=Array)
Adapter = TypeVar("Adapter")

_TENSOR_NAME = re.compile(
    r"base_model\.model\.(?P<module>.+)\.(?P<part>lora_A|lora_B|lora_magnitude_vector)(?:\.weight)?$"
)


@dataclass(frozen=True, slots=True)
class AdapterTerms:
    """How an adapter's matrices combine: their ``rank``, and the ``scaling`` of B·A, alpha / r or alpha / sqrt(r)."""

    rank: int
    scaling: float


def require_adapter_of(folder: Path, base_digest: str) -> None:
    """Raise Refusal when ``folder`` holds no intact adapter, or says that it was trained on another base.

    A folder without a luagate manifest does not say: its shapes are checked later.
    """
    for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS):
        if not (folder / name).is_file():
            raise Refusal(f"{folder}: {name} is missing: this is not an adapter folder.")
    if (folder / MANIFEST).is_file():
        read_checkpoint(folder)
        if read_manifest(folder)["base"] != base_digest:
            raise Refusal(
                f"{folder}: this adapter was trained on another base model, tokenizer or quantisation.",
                "Load the base it was trained on, or train again.",
            )


def read_terms(folder: Path) -> AdapterTerms:
    """Return rank and scaling from adapter_config.json. Raises Refusal when it is not one that backends can apply."""
    path = folder / ADAPTER_CONFIG
    try:
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        kind, rank, alpha = config["peft_type"], config["r"], config["lora_alpha"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Refusal(f"{path}: not an adapter configuration ({error}).") from None
    if kind != "LORA" or rank < 1 or not math.isfinite(alpha):
        raise Refusal(f"{path}: only LoRA adapters can be applied, this is {kind} of rank {rank}.")
    for key in ("rank_pattern", "alpha_pattern", "fan_in_fan_out", "target_parameters", "modules_to_save"):
        if config.get(key):
            raise Refusal(f"{path}: {key} is set, which this backend cannot apply.")
    return AdapterTerms(rank, alpha / math.sqrt(rank) if config.get("use_rslora") else alpha / rank)


def tensor_place(name: str, path: Path) -> tuple[str, str]:
    """Return (module, part) of the tensor ``name`` in the file ``path``; part is lora_A, lora_B or the magnitude.

    Raises:
        Refusal: it is not a LoRA matrix.
    """
    match = _TENSOR_NAME.match(name)
    if match is None:
        raise Refusal(f"{path}: {name} is not a LoRA matrix, and this backend would leave it out.")
    return match["module"], match["part"]


def require_exact_adapter(folder: Path, targets: Sequence[str]) -> None:
    """Check the library's work on disk: the adapter in ``folder`` holds the matrices of ``targets`` and nothing else.

    Raises:
        Refusal: it lacks a module, or holds another one, a whole weight or a router's or expert's.
    """
    from safetensors import safe_open

    path = folder / ADAPTER_WEIGHTS
    with safe_open(path, framework="numpy") as file:
        places = [tensor_place(name, path) for name in file.keys()]  # noqa: SIM118
    found: dict[str, set[str]] = {}
    for module, part in places:
        found.setdefault(module, set()).add(part)
    odd = sorted(found.keys() ^ set(targets))
    if odd:
        raise Refusal(f"{path}: holds modules that were not requested to train: {', '.join(odd[:3])}.")
    halves = sorted(module for module, parts in found.items() if not {"lora_A", "lora_B"} <= parts)
    if halves:
        raise Refusal(f"{path}: {halves[0]} lacks one of its two matrices.")


def by_module(tensors: Mapping[str, Tensor], folder: Path, rank: int) -> dict[str, dict[str, Tensor]]:
    """Return the tensors of ``folder``'s adapter by module and part.

    Raises:
        Refusal: there is none, one is no LoRA matrix, or a module lacks a matrix of that ``rank``.
    """
    path = folder / ADAPTER_WEIGHTS
    grouped: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        module, part = tensor_place(name, path)
        grouped.setdefault(module, {})[part] = tensor
    if not grouped:
        raise Refusal(f"{path}: holds no tensor.")
    for module, parts in grouped.items():
        if not {"lora_A", "lora_B"} <= parts.keys() or parts["lora_A"].shape[0] != rank:
            raise Refusal(f"{folder}: module {module} lacks matrices of rank {rank}.")
    return grouped


def require_fit(adapter: Mapping[str, Shape], linear: Mapping[str, Shape], folder: Path) -> None:
    """Raise Refusal unless each module of ``adapter`` is one of the base's ``linear`` ones; (out, in) by full name."""
    for name, found in adapter.items():
        if name not in linear:
            raise Refusal(
                f"{folder}: the base model has no linear module {name}: the adapter belongs to another model."
            )
        if found != linear[name]:
            raise Refusal(f"{folder}: {name} is {found} in the adapter and {linear[name]} in the base model.")


class AdapterShelf(Generic[Adapter]):
    """The adapter read last, by the digest of its weights, so that sweeping scales reads and checks it once.

    ``read`` returns the adapter of a folder, known to fit the base, or raises Refusal.
    """

    def __init__(self, read: Callable[[Path], Adapter]) -> None:
        self._read = read
        self._last: tuple[str, Adapter] | None = None

    def take(self, folder: Path) -> Adapter:
        """Return the adapter in ``folder``. Raises Refusal as ``read`` does."""
        if not (folder / ADAPTER_WEIGHTS).is_file():
            raise Refusal(f"{folder}: {ADAPTER_WEIGHTS} is missing: this is not an adapter folder.")
        key = f"{folder.resolve()} {sha256_file(folder / ADAPTER_WEIGHTS)}"
        if self._last is None or self._last[0] != key:
            self._last = key, self._read(folder)
        return self._last[1]
