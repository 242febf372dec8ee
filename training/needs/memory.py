"""How much memory a model will take to train and to generate, estimated from its files before a weight is read.

Counts tensors from the headers of the weight files, so that what is not quantised (embeddings, norms, fused experts) is
known exactly. Not covered: what the allocator loses to fragments, for which a tenth is added.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from env.refusal import Refusal
from env.space import size_text
from training.needs.weight_headers import read_tensors
from training.records import LoraSettings, ModelSettings, TrainSettings

# Bytes a parameter: 4 bits and a float32 scale for each 64 of them; double quantisation keeps the scales in 8 bits and
# one float32 for each 256 of these (Dettmers et al. 2023, arXiv:2305.14314, section 3).
_NF4_BYTES = 0.5 + 4 / 64
_NF4_DOUBLE_BYTES = 0.5 + 1 / 64 + 4 / (64 * 256)
_Q4_BYTES = 0.5 + 2 * 2 / 64
# Bytes a token and hidden unit that one layer keeps for the backward pass in 16 bits, attention scores left out because
# they are never stored (Korthikanti et al. 2022, arXiv:2205.05198, equation 2).
_LAYER_BYTES = 34
# A CUDA context with cuBLAS, as seen on recent drivers; nothing on a CPU.
_CONTEXT_GB = 0.6
_SLACK = 0.10
_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
_LINEAR_WEIGHT = re.compile(r"\.layers\.\d+\..*weight$")
_NOT_QUANTISED = re.compile(r"(embed|norm|router|\.gate\.weight|lm_head|rotary|sinks)")


@dataclass(frozen=True, slots=True)
class Shape:
    """What the estimate needs from a model's configuration; sizes in elements."""

    layers: int
    hidden: int
    key_value_width: int
    vocabulary: int


@dataclass(frozen=True, slots=True)
class Footprint:
    """An estimate in GB (10^9), with its parts; training and generating never happen at once.

    Attributes:
        weights: name -> GB of what is always in memory.
        training: name -> GB on top while training; ``generating`` likewise.
        parameters: of the base.
        adapter_parameters: those that will train; 0 where the files hold their modules packed.
    """

    weights: dict[str, float]
    training: dict[str, float]
    generating: dict[str, float]
    parameters: int
    adapter_parameters: int

    @property
    def total_gb(self) -> float:
        """The larger of training and generating, the weights, and a tenth for fragments."""
        most = max(sum(self.training.values()), sum(self.generating.values()))
        return (sum(self.weights.values()) + most) * (1 + _SLACK)

    def lines(self) -> tuple[str, ...]:
        """Return each part as a sentence, largest first within its group, and how they add up."""
        groups = (("held", self.weights), ("training", self.training), ("generating", self.generating))
        parts = [
            f"{group}: {name} {size_text(round(size * 1e9))}"
            for group, sizes in groups
            for name, size in sorted(sizes.items(), key=lambda part: -part[1])
        ]
        return (*parts, "in total: the weights, the larger of training and generating, and a tenth for fragmentation")


def estimate(
    folder: Path, settings: ModelSettings, lora: LoraSettings, train: TrainSettings, tokens: int, on_gpu: bool
) -> Footprint:
    """Return the footprint of the model in ``folder``.

    Args:
        tokens: of the longest sequence that generates: prompt and new tokens.

    Raises:
        Refusal: a weight file's header or the configuration cannot be read.
    """
    shape = read_shape(folder)
    tensors = read_tensors(folder)
    sizes = tensors.sizes
    width = _BYTES["bfloat16" if on_gpu and settings.dtype == "auto" else _named(settings.dtype)]
    weights = _weights(sizes, settings, width)
    if tensors.packed_bytes:
        weights["stored packed (4 or 8 bits)"] = tensors.packed_bytes / 1e9
    if on_gpu:
        weights["context of the GPU"] = _CONTEXT_GB
    adapter = _adapter_parameters(shape, sizes, lora)
    return Footprint(
        weights,
        _training(shape, lora, train, width, adapter),
        _generating(shape, sizes, settings, tokens, width, on_gpu),
        sum(math.prod(size) for size in sizes.values()),
        adapter,
    )


def read_shape(folder: Path) -> Shape:
    """Return the sizes in config.json. Raises Refusal when one is missing."""
    path = folder / "config.json"
    try:
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        text = config.get("text_config") or config
        heads = text["num_attention_heads"]
        head_width = text.get("head_dim") or text["hidden_size"] // heads
        return Shape(
            layers=text["num_hidden_layers"],
            hidden=text["hidden_size"],
            key_value_width=head_width * (text.get("num_key_value_heads") or heads),
            vocabulary=text["vocab_size"],
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Refusal(f"{path}: memory cannot be estimated without {error}.", "Give a model of transformers.") from None


def _weights(sizes: dict[str, tuple[int, ...]], settings: ModelSettings, width: int) -> dict[str, float]:
    packed = {"nf4": _NF4_DOUBLE_BYTES if settings.double_quantization else _NF4_BYTES, "q4": _Q4_BYTES, "q8": 1.0625}
    linear = rest = experts = 0
    for name, size in sizes.items():
        count = math.prod(size)
        if settings.quantization in packed and _is_packed(name, size):
            linear += count
        elif len(size) >= 3:
            experts += count
        else:
            rest += count
    parts = {"embeddings, norms and what else is not quantised": rest * width / 1e9}
    if linear:
        parts[f"linear layers in {settings.quantization}"] = linear * packed[settings.quantization] / 1e9
    if experts:
        # transformers 5 fuses them into 3-D parameters, which bitsandbytes leaves alone
        parts["fused experts, not quantised"] = experts * width / 1e9
    return parts


def _is_packed(name: str, size: tuple[int, ...]) -> bool:
    return len(size) == 2 and bool(_LINEAR_WEIGHT.search(name)) and not _NOT_QUANTISED.search(name)


def _adapted_layers(shape: Shape, lora: LoraSettings) -> set[int]:
    return {number % shape.layers for number in lora.layers} or set(range(shape.layers))


def _adapter_parameters(shape: Shape, sizes: dict[str, tuple[int, ...]], lora: LoraSettings) -> int:
    layers = _adapted_layers(shape, lora)
    return sum(
        lora.r * sum(size)
        for name, size in sizes.items()
        if len(size) == 2 and _layer(name) in layers and name.split(".")[-2] in lora.target_modules
    )


def _training(shape: Shape, lora: LoraSettings, train: TrainSettings, width: int, adapter: int) -> dict[str, float]:
    tokens = train.batch_size * train.max_length
    # layers below the first adapted one keep nothing: no gradient goes there
    deep = shape.layers - min(_adapted_layers(shape, lora))
    kept = (
        deep * 2 * width / 2 + _LAYER_BYTES * width / 2
        if train.gradient_checkpointing
        else deep * _LAYER_BYTES * width / 2
    )
    return {
        "adapter, gradient and AdamW in float32": adapter * 16 / 1e9,
        f"activations of {train.batch_size} x {train.max_length} tokens": tokens * shape.hidden * kept / 1e9,
        # as loaded, in float32, and its gradient
        "logits": min(tokens, train.logit_chunk or tokens) * shape.vocabulary * (width + 8) / 1e9,
    }


def _generating(
    shape: Shape, sizes: dict[str, tuple[int, ...]], settings: ModelSettings, tokens: int, width: int, on_gpu: bool
) -> dict[str, float]:
    # of several sizes the smallest must fit: Gate A leaves out those that do not
    rows = settings.batch_sizes[0]
    cache = 2 * shape.layers * shape.key_value_width * rows * tokens * width
    parts = {
        f"attention cache of {rows} rows x {tokens} tokens": cache / 1e9,
        "logits": rows * shape.vocabulary * (width + 8) / 1e9,
    }
    dequantised = settings.evaluation == "dequantized" or (settings.evaluation == "auto" and not on_gpu)
    if settings.quantization == "nf4" and dequantised:
        linear = sum(math.prod(size) for name, size in sizes.items() if _is_packed(name, size))
        parts["dequantised copy"] = linear * width / 1e9
    return parts


def _layer(name: str) -> int | None:
    found = re.search(r"\.layers\.(\d+)\.", name)
    return int(found[1]) if found else None


def _named(dtype: str) -> str:
    return "float32" if dtype == "auto" else dtype
