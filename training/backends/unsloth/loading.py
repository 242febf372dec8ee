"""Loading a base model through unsloth, by the same files, texts and identity as every backend."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from env.refusal import Refusal
from training.backends.folders import model_folder, require_files
from training.backends.transformers_peft.choosing import choose_dtype, choose_threads
from training.backends.transformers_peft.identity import model_identity
from training.backends.transformers_peft.loading import (
    Loaded,
    count_parameters,
    keep_weights_in_place,
    load_texts,
    quantization_note,
    read_or_refuse,
    require_usable,
)
from training.backends.unsloth.starting import Started
from training.records import ModelSettings

# rotary tables are made for this many tokens; longer contexts cost memory that a Lua task never needs
_LONGEST = 16_384


def load_base(settings: ModelSettings, started: Started) -> Loaded:
    """Load the base model of ``settings``; sets torch's thread count.

    Raises:
        Refusal: a file is missing or unfit, or unsloth cannot hold the asked quantisation.
    """
    from transformers import AutoConfig

    if settings.evaluation == "dequantized":
        raise Refusal("model.evaluation = 'dequantized': unsloth measures on the weights as loaded.", "Set it to auto.")
    dtype, dtype_reason = choose_dtype(settings, started.device)
    folder = model_folder(settings.path)
    require_files(folder)
    config = read_or_refuse(folder, "config.json", lambda: AutoConfig.from_pretrained(folder, local_files_only=True))
    require_usable(config, folder, settings)
    texts = load_texts(folder, config)
    model, loader = _load_model(folder, settings, started, dtype, config)
    parameters = count_parameters(model)
    threads, threads_reason = choose_threads(settings, parameters)
    torch.set_num_threads(threads)
    named = str(dtype).removeprefix("torch.")
    choices = {
        **started.choices,
        "loader": loader,
        "dtype": f"{named}: {dtype_reason}",
        "threads": f"{threads}: {threads_reason}",
        "evaluation": "as loaded: adapters are worn through PEFT, which unsloth's kernels know",
        "quantization": quantization_note(model, settings),
        **texts.choices,
    }
    held = f"{settings.quantization} in {named}"
    identity = model_identity(folder, held, texts.tokenizer.chat_template, texts.end_tokens)
    return Loaded(model, texts, identity, choices, parameters, dequantized_evaluation=False)


def _load_model(
    folder: Path, settings: ModelSettings, started: Started, dtype: torch.dtype, config: Any
) -> tuple[Any, str]:
    """Return (model, which of unsloth's loaders made it and why)."""
    wanted = settings.quantization == "nf4"
    on_cpu = started.device == "cpu"
    loader = started.library.FastModel if on_cpu else started.library.FastLanguageModel
    longest = min(getattr(config.get_text_config(), "max_position_embeddings", None) or _LONGEST, _LONGEST)

    def load() -> Any:
        from transformers import BitsAndBytesConfig

        # unsloth's own configuration would always quantise the scales too
        packing = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=dtype,
            bnb_4bit_use_double_quant=settings.double_quantization,
        )
        return loader.from_pretrained(
            str(folder),
            max_seq_length=longest,
            load_in_4bit=wanted,
            **({"quantization_config": packing} if wanted else {}),
            dtype=dtype,
            device_map={"": started.device},
            use_gradient_checkpointing=False,
            local_files_only=True,
        )[0]

    with _as_if_with_gpu() if on_cpu else _unchanged():
        model = read_or_refuse(folder, "model", load)
    keep_weights_in_place(model)
    model.requires_grad_(False)
    _hold_in(model, dtype)
    reason = "its fast path needs a GPU" if on_cpu else "unsloth's fast path where it has one for the architecture"
    return model.eval(), f"{loader.__name__}: {reason}"


def _hold_in(model: Any, dtype: torch.dtype) -> None:
    """Put float16 weights into ``dtype``; 4-bit ones are bytes and stay.

    unsloth loads some models (gpt-oss) in float16 whatever it is asked, where the device has no bfloat16.
    """
    for tensor in [*model.parameters(), *model.buffers()]:
        if tensor.dtype == torch.float16 != dtype:
            tensor.data = tensor.data.to(dtype)


@contextmanager
def _unchanged() -> Iterator[None]:
    yield


@contextmanager
def _as_if_with_gpu() -> Iterator[None]:
    """Answer the two questions about a GPU that unsloth's loader asks even where it is allowed to run on a CPU.

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
