"""Loading a base model through unsloth, by the same files, texts and identity as every backend."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from env.refusal import Refusal
from training.backends.local.identity import model_identity
from training.backends.local.model_folder import model_folder, require_files
from training.backends.transformers_peft.choosing import choose_dtype, choose_evaluation, choose_threads
from training.backends.transformers_peft.loading import (
    Loaded,
    count_parameters,
    how_held,
    keep_weights_in_place,
    quantization_note,
    read_config,
    read_or_refuse,
    texts_of,
)
from training.backends.transformers_peft.stored import stored_quantization
from training.backends.unsloth.forwards import patched_by
from training.backends.unsloth.starting import Started
from training.needs.weight_headers import read_tensors
from training.records import ModelSettings

# fused experts too: unsloth would pack them, and the base would differ from the one transformers loads
_KEPT_WHOLE = ["lm_head", "experts"]
# rotary tables are made for this many tokens; longer contexts cost memory that a Lua task never needs
_LONGEST = 16_384


def load_base(settings: ModelSettings, started: Started) -> Loaded:
    """Load the base model of ``settings``; sets torch's thread count.

    Raises:
        Refusal: a file is missing or unfit, or unsloth does not support the requested quantisation.
    """
    if settings.evaluation == "dequantized" and started.device != "cpu":
        raise Refusal(
            f"model.evaluation = 'dequantized': on {started.device} unsloth measures on the weights as loaded.",
            "Set it to auto.",
        )
    dtype, dtype_reason = choose_dtype(settings, started.device)
    folder = model_folder(settings.path, settings.revision)
    require_files(folder)
    config = read_config(folder, settings)
    texts = texts_of(folder, config)
    model, loader = _load_model(folder, settings, started, dtype, config)
    patch = patched_by(model)
    if patch is not None and started.device == "cpu":
        raise Refusal(
            f"{folder}: unsloth computes this model with its own code, which needs a GPU ({patch}).",
            "Set backend=transformers_peft.",
        )
    parameters = count_parameters(model)
    threads, threads_reason = choose_threads(settings, parameters)
    torch.set_num_threads(threads)
    dequantized, evaluation = _choose_evaluation(settings, started.device, patch)
    named = str(dtype).removeprefix("torch.")
    choices = {
        **started.choices,
        "loader": loader,
        "dtype": f"{named}: {dtype_reason}",
        "threads": f"{threads}: {threads_reason}",
        "evaluation": f"{'dequantized' if dequantized else 'as loaded'}: {evaluation}",
        "quantization": quantization_note(model, settings),
        **texts.choices,
    }
    held = how_held(model, settings, dtype)
    identity = model_identity(folder, held, texts.tokenizer.chat_template, texts.end_tokens)
    return Loaded(model, texts, identity, choices, parameters, dequantized)


def _choose_evaluation(settings: ModelSettings, device: str, patch: str | None) -> tuple[bool, str]:
    """Return (whether generation runs on dequantised copies of the NF4 weights, reason)."""
    if patch is not None:
        return False, "unsloth's kernels compute on the weights as loaded, and read adapters from PEFT's modules"
    return choose_evaluation(settings, device)


def _load_model(
    folder: Path, settings: ModelSettings, started: Started, dtype: torch.dtype, config: Any
) -> tuple[Any, str]:
    """Return (model, which of unsloth's loaders made it and why)."""
    on_cpu = started.device == "cpu"
    loader = started.library.FastModel if on_cpu else started.library.FastLanguageModel
    longest = min(getattr(config.get_text_config(), "max_position_embeddings", None) or _LONGEST, _LONGEST)
    packing = _packing(config, settings, dtype)
    is_told = settings.quantization == "nf4" and not _holds_fused_experts(folder)

    def load() -> Any:
        return loader.from_pretrained(
            str(folder),
            max_seq_length=longest,
            load_in_4bit=is_told,
            **(packing if is_told else {}),
            dtype=dtype,
            device_map={"": started.device},
            use_gradient_checkpointing=False,
            local_files_only=True,
            trust_remote_code=False,
        )[0]

    with _as_if_with_gpu() if on_cpu else nullcontext(), _reported({} if is_told else packing) as reports:
        model = read_or_refuse(folder, "model", load)
    _require_complete(folder, reports)
    keep_weights_in_place(model)
    model.requires_grad_(False)
    _hold_in(model, dtype)
    reason = "its fast path needs a GPU" if on_cpu else "unsloth's fast path where it has one for the architecture"
    return model.eval(), f"{loader.__name__}: {reason}"


def _packing(config: Any, settings: ModelSettings, dtype: torch.dtype) -> dict[str, Any]:
    """Return the options that request NF4 from transformers; {} where not wanted, or where the files are NF4."""
    from transformers import BitsAndBytesConfig

    if settings.quantization != "nf4" or stored_quantization(config):
        return {}
    # unsloth's own configuration would always quantise the scales too
    asked = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_compute_dtype=dtype,
        bnb_4bit_use_double_quant=settings.double_quantization,
        llm_int8_skip_modules=_KEPT_WHOLE,
    )
    return {"quantization_config": asked}


def _holds_fused_experts(folder: Path) -> bool:
    """Return whether ``folder`` holds gpt-oss's experts as one tensor a layer.

    When 4 bits are requested unsloth makes one module an expert, as in its own 4-bit files, and fused ones would
    stay random. So 4 bits are not requested then.
    """
    return any(name.endswith(".experts.gate_up_proj") for name in read_tensors(folder).sizes)


@contextmanager
def _reported(more: dict[str, Any]) -> Iterator[list[dict[str, Any]]]:
    """Collect transformers' report of each model that unsloth has it load inside, with the options ``more`` as well."""
    from transformers import PreTrainedModel

    held = vars(PreTrainedModel)["from_pretrained"]
    reports: list[dict[str, Any]] = []

    def from_pretrained(cls: Any, *args: Any, **options: Any) -> Any:
        model, report = held.__func__(cls, *args, **{**options, **more, "output_loading_info": True})
        reports.append(report)
        return model

    PreTrainedModel.from_pretrained = classmethod(from_pretrained)
    try:
        yield reports
    finally:
        PreTrainedModel.from_pretrained = held


def _require_complete(folder: Path, reports: list[dict[str, Any]]) -> None:
    """Raise Refusal when weights of the model are not in its files and would stay random."""
    if not reports:
        raise RuntimeError("unsloth loaded the model without transformers, so whether it is complete is unknown")
    missing = sorted({name for report in reports for name in report["missing_keys"]})
    if missing:
        raise Refusal(
            f"{folder}: the weights lack {len(missing)} tensors as unsloth lays the model out "
            f"({', '.join(missing[:3])}), which would stay random.",
            "Download the weights again, or set backend=transformers_peft.",
        )


def _hold_in(model: Any, dtype: torch.dtype) -> None:
    """Put float16 weights into ``dtype``, and have 4-bit ones, which stay as they are, unpacked into it.

    unsloth loads some models (gpt-oss) in float16 whatever was requested, where the device has no bfloat16.
    """
    for tensor in [*model.parameters(), *model.buffers()]:
        state = getattr(tensor, "quant_state", None)
        if state is not None:
            state.dtype = dtype
        elif tensor.dtype == torch.float16 != dtype:
            tensor.data = tensor.data.to(dtype)


@contextmanager
def _as_if_with_gpu() -> Iterator[None]:
    """Replace the two GPU queries that unsloth's loader makes even where it is allowed to run on a CPU.

    One is for its banner; the other lets bitsandbytes' 4-bit weights through, which work on a CPU.
    """
    import unsloth.models.loader as loading

    asked, allowed = torch.cuda.get_device_properties, loading.ALLOW_BITSANDBYTES
    memory = SimpleNamespace(
        name="CPU", total_memory=0, major=0, minor=0, multi_processor_count=1, shared_memory_per_block_optin=0
    )
    torch.cuda.get_device_properties = lambda device=None: memory  # type: ignore[assignment,misc,return-value]
    loading.ALLOW_BITSANDBYTES = True
    try:
        yield
    finally:
        torch.cuda.get_device_properties = asked
        loading.ALLOW_BITSANDBYTES = allowed
