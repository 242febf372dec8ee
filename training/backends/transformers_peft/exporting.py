"""Writing an adapter out of the project: its scale baked in, or merged into the unquantised base, and read back.

The export is compared with what was measured: the original adapter, applied at its scale to the base of the run.
"""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from env.refusal import Refusal
from training.backends.local.model_folder import model_folder
from training.backends.transformers_peft.adapters import LowRank, merged_weight, read_adapter, worn
from training.backends.transformers_peft.loading import Loaded, load_base
from training.checkpoints import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from training.exports import ExportRequest, RoundTrip, require_close
from training.records import ModelSettings

# Rounding of float32 sums only; and of weights that a merged model stores in 16 bits.
LOGIT_TOLERANCE = {torch.float32: 0.001, torch.bfloat16: 0.25, torch.float16: 0.05}
_TOKENIZER_FILES = ("tokenizer*", "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt", "*.jinja")


def export(settings: ModelSettings, request: ExportRequest, base_name: str) -> RoundTrip:
    """Write the export into ``request.to`` and return how it compares when read back.

    Args:
        base_name: the base model's name as known outside this project, written into an adapter's configuration.

    Raises:
        Refusal: the adapter is damaged or belongs to another base, its form does not allow the scale, or the export
            does not compute what was measured.
    """
    loaded = load_base(settings)
    adapter = read_adapter(request.adapter, loaded.identity.digest, loaded.model)
    ids = [loaded.texts.prompt(text) for text in request.texts]
    if request.form == "adapter":
        return _export_adapter(loaded, adapter, request, ids, base_name)
    return _export_merged(loaded, adapter, request, ids, model_folder(settings.path, settings.revision))


def _export_adapter(
    loaded: Loaded, adapter: dict[str, LowRank], request: ExportRequest, ids: Sequence[list[int]], base_name: str
) -> RoundTrip:
    if request.scale != 1 and any(change.magnitude is not None for change in adapter.values()):
        raise Refusal(
            f"A DoRA adapter cannot be exported at scale {request.scale:g}: its magnitudes do not scale.",
            "Export the cell with --form merged.",
        )
    model = loaded.model
    if loaded.dequantized_evaluation:
        # DoRA is applied to plain float32 weights only; the logits are the same
        model = model.dequantize()
    with worn(model, adapter, request.scale):
        measured = logits_of(model, ids)
    write_baked(request.adapter, request.scale, request.to, base_name)
    found = compared(measured, _peft_logits(model, request.to, ids), "peft")
    require_close(found, LOGIT_TOLERANCE[model.dtype], request.to)
    return found


def write_baked(adapter: Path, scale: float, to: Path, base_name: str) -> None:
    """Write the adapter of folder ``adapter`` into ``to`` with ``scale`` multiplied into every B, in PEFT's layout."""
    from safetensors.torch import load_file, save

    tensors = load_file(adapter / ADAPTER_WEIGHTS)
    baked = {name: tensor * scale if ".lora_B." in name else tensor for name, tensor in tensors.items()}
    # bytes first: a full disk is then an OSError, which is explained
    (to / ADAPTER_WEIGHTS).write_bytes(save(baked, metadata={"format": "pt"}))
    config = json.loads((adapter / ADAPTER_CONFIG).read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = base_name
    (to / ADAPTER_CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _export_merged(
    loaded: Loaded, adapter: dict[str, LowRank], request: ExportRequest, ids: Sequence[list[int]], base: Path
) -> RoundTrip:
    """Merge into the dequantised base: merging into 4-bit weights would round much of the change away.

    It is stored in the number format of the base's files, and where their rounding would show, in the one held here.
    """
    model = loaded.model
    held = model.dtype
    if getattr(model, "is_quantized", False):
        model = model.dequantize()
    with worn(model, adapter, request.scale):
        measured = logits_of(model, ids)
    for name, change in adapter.items():
        module: Any = model.get_submodule(name)
        merged = merged_weight(module.weight.data.float(), change, request.scale)
        module.weight.data = merged.to(module.weight.dtype)
    _forget_quantization(model)
    for pattern in _TOKENIZER_FILES:
        for file in sorted(base.glob(pattern)):
            shutil.copyfile(file, request.to / file.name)
    stored = _stored_dtype(base)
    found = _write_merged(model, stored, request.to, measured, ids, held)
    if not found.is_close(LOGIT_TOLERANCE[stored]) and held.itemsize > stored.itemsize:
        rounded = f"rounding to {_name(stored)} would move a logit by {found.max_difference:.2g}"
        stored = held
        again = _write_merged(model, stored, request.to, measured, ids, held)
        found = replace(again, stored=f"{again.stored}: {rounded}")
    require_close(found, LOGIT_TOLERANCE[stored], request.to)
    return found


def _write_merged(
    model: Any, stored: torch.dtype, to: Path, measured: Sequence[Tensor], ids: Sequence[list[int]], held: torch.dtype
) -> RoundTrip:
    """Write the merged ``model`` with its weights in ``stored``, and compare it, read back as ``held``."""
    for file in to.glob("model*.safetensors*"):
        file.unlink()
    cast = {
        name: tensor.to(stored) if tensor.is_floating_point() else tensor for name, tensor in model.state_dict().items()
    }
    model.save_pretrained(to, state_dict=cast)
    path = to / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**config, "dtype": _name(stored)}, indent=2) + "\n", encoding="utf-8")
    found = compared(measured, _library_logits(to, held, ids), "transformers")
    return replace(found, stored=_name(stored))


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def compared(measured: Sequence[Tensor], again: Sequence[Tensor], loaded_by: str) -> RoundTrip:
    """Return how the logits (positions, vocabulary) of each text differ."""
    first, second = torch.cat(list(measured)).double(), torch.cat(list(again)).double()
    return RoundTrip(
        loaded_by=loaded_by,
        max_difference=float((first - second).abs().max()),
        spread=float(first.std()),
        positions=len(first),
        same_choice=float((first.argmax(-1) == second.argmax(-1)).double().mean()),
    )


@torch.inference_mode()
def logits_of(model: Any, ids: Sequence[list[int]]) -> list[Tensor]:
    """Return the logits (positions, vocabulary) of each text, in float32."""
    model.eval()
    return [model(input_ids=torch.tensor([one], device=model.device)).logits[0].float().cpu() for one in ids]


def _peft_logits(model: Any, folder: Path, ids: Sequence[list[int]]) -> list[Tensor]:
    from peft import PeftModel

    with warnings.catch_warnings():
        # PEFT uses a name of transformers that is deprecated
        warnings.simplefilter("ignore", FutureWarning)
        wrapped = PeftModel.from_pretrained(model, folder)
    return logits_of(wrapped, ids)


def _library_logits(folder: Path, dtype: torch.dtype, ids: Sequence[list[int]]) -> list[Tensor]:
    from transformers import AutoModelForCausalLM

    return logits_of(
        AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, local_files_only=True, trust_remote_code=False), ids
    )


def _stored_dtype(base: Path) -> torch.dtype:
    """Return the number format in which the base's own files hold their weights, which the merged ones keep."""
    config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    named = str(config.get("dtype") or config.get("torch_dtype"))
    return torch.bfloat16 if named == "bfloat16" else torch.float16 if named == "float16" else torch.float32


def _forget_quantization(model: Any) -> None:
    if getattr(model.config, "quantization_config", None) is not None:
        del model.config.quantization_config
