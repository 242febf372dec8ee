"""Loading a base model with mlx-lm from a folder or the hub, quantised or not, with every misfit refused by name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_map_with_path
from mlx_lm.models.cache import KVCache, RotatingKVCache, make_prompt_cache
from mlx_lm.models.switch_layers import QuantizedSwitchLinear, SwitchLinear
from mlx_lm.utils import get_total_parameters, load_model

from env.refusal import Refusal
from training.backends.base import ModelIdentity
from training.backends.local.identity import model_identity
from training.backends.local.model_folder import model_folder, require_files
from training.backends.local.targets import select_targets
from training.backends.local.texts import Texts
from training.backends.local.tokenizer import load_texts
from training.backends.mlx.choosing import QUANTIZATIONS, choose_compilation, choose_device, choose_dtype
from training.backends.mlx.layouts import config_changes, model_classes
from training.backends.mlx.metal import wire_memory
from training.needs.weight_headers import weight_files
from training.records import LoraSettings, ModelSettings

LINEAR = (nn.Linear, nn.QuantizedLinear, SwitchLinear, QuantizedSwitchLinear)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What loading gives.

    Attributes:
        config: config.json as mlx-lm completed it.
        dtype: of weights that are not quantised, and of all computing.
        windows: per layer the positions that it sees; None sees all.
        context: positions that prompt and answer may take together; None is unknown.
        compiled: whether training steps are compiled.
    """

    model: Any
    texts: Texts
    identity: ModelIdentity
    choices: dict[str, str]
    parameters: int
    folder: Path
    config: dict[str, Any]
    dtype: mx.Dtype
    windows: tuple[int | None, ...]
    context: int | None
    compiled: bool

    @property
    def is_batch_exact(self) -> bool:
        """Whether a sample is the same whatever generates beside it: 16 bits, and GPUs, add in another order."""
        return bool(self.dtype == mx.float32 and mx.default_device() == mx.cpu)


def load_base(settings: ModelSettings) -> Loaded:
    """Load the base model of ``settings``; sets mlx's default device.

    Raises:
        Refusal: a file is missing or unfit, or the device or architecture cannot be used.
    """
    device, device_reason = choose_device(settings)
    dtype, dtype_reason = choose_dtype(settings, device)
    compiled, compiled_reason = choose_compilation(device)
    mx.set_default_device(mx.gpu if device == "gpu" else mx.cpu)
    folder = model_folder(settings.path, settings.revision)
    require_files(folder)
    _require_known_weights(folder)
    written = _read_config(folder)
    changes = config_changes(written)
    # an unknown type is refused before the library reads a weight
    _read(folder, "config.json", lambda: model_classes({**written, **changes}))
    texts = _texts(folder, written)
    model, config = _read(folder, "the model", lambda: load_model(folder, True, True, changes, model_classes))
    windows = _windows(model, folder)
    number_format = getattr(mx, dtype)
    _set_format(model, number_format)
    held, note = _quantize(model, config, settings, folder)
    mx.eval(model.parameters())
    model.freeze()
    model.eval()
    text_config = config.get("text_config") or config
    choices = {
        "device": f"{device}: {device_reason}",
        "dtype": f"{dtype}: {dtype_reason}",
        "threads": "mlx's own: it has no setting",
        "evaluation": "as loaded: mlx multiplies by quantised weights without unpacking them",
        "compilation": f"{'compiled' if compiled else 'plain'}: {compiled_reason}",
        "quantization": note,
        **wire_memory(device, mx.get_active_memory()),
        "attention": _attention_note(text_config, windows),
        **texts.choices,
    }
    return Loaded(
        model=model,
        texts=texts,
        identity=model_identity(folder, f"{held} in {dtype}", texts.tokenizer.chat_template, texts.end_tokens),
        choices=choices,
        parameters=get_total_parameters(model),
        folder=folder,
        config=config,
        dtype=number_format,
        windows=windows,
        context=text_config.get("max_position_embeddings"),
        compiled=compiled,
    )


def preview_texts(settings: ModelSettings) -> Texts:
    """Return the tokenizer with its end tokens; no weight is read. Raises Refusal as ``local.tokenizer.load_texts``."""
    folder = model_folder(settings.path, settings.revision)
    require_files(folder)
    return _texts(folder, _read_config(folder))


def preview_targets(settings: ModelSettings, lora: LoraSettings) -> tuple[str, ...]:
    """Return the full names of the modules that an adapter would train, from the configuration alone.

    mlx makes arrays when they are used: this model's never are.

    Raises:
        Refusal: files are missing, the device is not there, or a module or layer does not exist or must not train.
    """
    choose_device(settings)
    folder = model_folder(settings.path, settings.revision)
    require_files(folder)

    def skeleton() -> Any:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        config |= config_changes(config)
        kind, arguments = model_classes(config)
        return kind(arguments.from_dict(config))

    model = _read(folder, "config.json", skeleton)
    _windows(model, folder)
    return select_targets([name for name, _ in linear_modules(model)], lora)


def linear_modules(model: Any) -> Iterator[tuple[str, Any]]:
    """Yield (name, module) of every linear module in layer order, quantised ones and fused experts included."""
    for name, module in sorted(model.named_modules(), key=lambda pair: _natural(pair[0])):
        if isinstance(module, LINEAR):
            yield name, module


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in name.split(".")]


def _require_known_weights(folder: Path) -> None:
    """Refuse weight files that mlx-lm would read besides those that the index lists, and the identity covers."""
    known = {path.name for path in weight_files(folder)}
    stray = sorted(path.name for path in folder.glob("model*.safetensors") if path.name not in known)
    if stray:
        raise Refusal(f"{folder}: {', '.join(stray)} is not in the weight index, and mlx-lm would load it.", "Move it.")


def _windows(model: Any, folder: Path) -> tuple[int | None, ...]:
    """Return each layer's attention window. Raises Refusal when a layer keeps another state than keys and values."""
    caches = make_prompt_cache(model)
    for cache in caches:
        if type(cache) not in (KVCache, RotatingKVCache):
            raise Refusal(
                f"{folder}: layers with a {type(cache).__name__} keep a state that this backend cannot batch.",
                "Use a model whose layers are full or sliding attention.",
            )
    return tuple(getattr(cache, "max_size", None) for cache in caches)


def _attention_note(config: dict[str, Any], windows: tuple[int | None, ...]) -> str:
    """Return how attention is computed, and where mlx-lm ignores part of the configuration."""
    sliding = sum(window is not None for window in windows)
    note = f"{len(windows) - sliding} full and {sliding} sliding layers: as configured"
    window = config.get("sliding_window")
    if window and config.get("use_sliding_window", True) and not sliding:
        note = f"full: mlx-lm has no sliding window for {config['model_type']}, whose configuration sets {window}"
    rotary = config.get("rope_scaling") or {}
    if rotary.get("truncate") is False:
        note += "; YaRN's borders are rounded, since mlx-lm does not read truncate = false"
    return note


def _set_format(model: Any, dtype: mx.Dtype) -> None:
    """Cast floating weights, except those that the model's own rule keeps."""
    may_cast = getattr(model, "cast_predicate", lambda _name: True)

    def cast(name: str, value: mx.array) -> mx.array:
        return value.astype(dtype) if mx.issubdtype(value.dtype, mx.floating) and may_cast(name) else value

    model.update(tree_map_with_path(cast, model.parameters()))


def _quantize(model: Any, config: dict[str, Any], settings: ModelSettings, folder: Path) -> tuple[str, str]:
    """Quantise ``model`` as configured; return (how it is held, the same with counts and reason)."""
    asked, already = settings.quantization, config.get("quantization")
    if already is not None:
        bits = already["bits"]
        if asked != "none" and QUANTIZATIONS[asked][0] != bits:
            raise Refusal(
                f"{folder}: its weights are already quantised to {bits} bits.", "Set model.quantization=none."
            )
        held = f"{bits} bits {already.get('mode', 'affine')}, groups of {already['group_size']}"
        return held, f"{held}: as the folder holds it"
    if asked == "none":
        return "none", "none: requested"
    bits, group_size = QUANTIZATIONS[asked]
    chosen = getattr(model, "quant_predicate", None) or (lambda _name, _module: True)

    def may_quantize(name: str, module: Any) -> Any:
        fits = hasattr(module, "to_quantized") and module.weight.shape[-1] % group_size == 0
        return chosen(name, module) if fits else False

    nn.quantize(model, group_size, bits, class_predicate=may_quantize)
    linear = [module for _, module in linear_modules(model)]
    packed = sum(isinstance(module, (nn.QuantizedLinear, QuantizedSwitchLinear)) for module in linear)
    if not packed:
        raise Refusal(
            f"model.quantization = {asked!r} found no linear module whose inputs are a multiple of {group_size}.",
            "Set model.quantization=none.",
        )
    return f"{asked} affine, groups of {group_size}", f"{asked}: {packed} of {len(linear)} linear modules, requested"


def _texts(folder: Path, config: dict[str, Any]) -> Texts:
    text = {**config, **(config.get("text_config") or {})}
    return load_texts(folder, text.get("eos_token_id"), text.get("vocab_size"))


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    found: dict[str, Any] = _read(folder, path.name, lambda: json.loads(path.read_text(encoding="utf-8")))
    return found


def _read(folder: Path, name: str, reading: Callable[[], Any]) -> Any:
    """Return ``reading()``; what it raises becomes a refusal that names the folder."""
    try:
        return reading()
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        first = str(error).strip().splitlines()[0][:200] if str(error).strip() else ""
        raise Refusal(f"{folder}: {name} cannot be loaded: {type(error).__name__}: {first}") from error
