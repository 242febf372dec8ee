"""Loading a base model from a folder or the hub, quantised or not, with every missing file refused by name."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from env.refusal import Refusal
from training.backends.base import ModelIdentity
from training.backends.local.identity import model_identity
from training.backends.local.model_folder import model_folder, require_files
from training.backends.local.texts import Texts
from training.backends.local.tokenizer import load_texts, needs_own_code
from training.backends.transformers_peft.choosing import choose_device, choose_dtype, choose_evaluation, choose_threads
from training.backends.transformers_peft.kv_cache import WITH_KEYS
from training.backends.transformers_peft.stored import require_same_quantization, stored_quantization
from training.needs.weight_headers import read_tensors
from training.records import ModelSettings

# bitsandbytes reports an optional CPU kernel it did not find, at each start
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)

# Kinds of layer, by the library's names, whose state repeats and leaves row by row. "moe" and "mlp" keep none.
_ATTENTION = WITH_KEYS | {"hybrid", "hybrid_sliding"}
_KINDS = _ATTENTION | {"linear_attention", "conv", "moe", "mlp", "dummy"}


@dataclass(frozen=True, slots=True)
class Loaded:
    """What loading returns: the model as trained on, its texts, its identity, and the choices made."""

    model: Any
    texts: Texts
    identity: ModelIdentity
    choices: dict[str, str]
    parameters: int
    dequantized_evaluation: bool

    @property
    def is_batch_exact(self) -> bool:
        """Whether a sample is the same whatever generates beside it: 16 bits, and GPUs, add in another order."""
        return bool(self.model.device.type == "cpu" and self.model.dtype == torch.float32)

    @property
    def context(self) -> int | None:
        """Tokens that prompt and answer may take together; None is unknown."""
        return context_tokens(self.model.config)


def load_base(settings: ModelSettings) -> Loaded:
    """Load the base model of ``settings``; sets torch's thread count.

    Raises:
        Refusal: a file is missing or unfit, or the device or architecture cannot be used.
    """
    quiet_library()
    device, device_reason = choose_device(settings)
    choose_dtype(settings, device)  # a bad request is refused before any file is
    dequantized, evaluation_reason = choose_evaluation(settings, device)
    folder = model_folder(settings.path)
    require_files(folder)
    config = read_config(folder, settings)
    texts = texts_of(folder, config)
    stored = sum(math.prod(size) for size in read_tensors(folder).sizes.values())
    dtype, dtype_reason = choose_dtype(settings, device, stored)
    model = _load_model(folder, config, settings, device, dtype)
    parameters = count_parameters(model)
    threads, threads_reason = choose_threads(settings, parameters)
    torch.set_num_threads(threads)
    held = how_held(model, settings, dtype)
    choices = {
        "device": f"{device}: {device_reason}",
        "dtype": f"{str(dtype).removeprefix('torch.')}: {dtype_reason}",
        "threads": f"{threads}: {threads_reason}",
        "evaluation": f"{'dequantized' if dequantized else 'as loaded'}: {evaluation_reason}",
        "quantization": quantization_note(model, settings),
        **texts.choices,
    }
    identity = model_identity(folder, held, texts.tokenizer.chat_template, texts.end_tokens)
    return Loaded(model, texts, identity, choices, parameters, dequantized)


def linear_modules(model: nn.Module) -> Iterator[tuple[str, nn.Linear]]:
    """Yield (name, module) of every linear module, quantised ones included."""
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear):
            yield name, module


def dequantized_copy(model: Any) -> Any:
    """Return the model with plain linear modules in place of NF4 ones; all other tensors are shared, not copied.

    Its logits equal the quantised model's bit for bit where that dequantises before it multiplies.
    """
    import bitsandbytes as bnb

    shared: list[torch.Tensor] = [*model.parameters(), *model.buffers()]
    twin = copy.deepcopy(model, {id(tensor): tensor for tensor in shared})
    for name, module in list(linear_modules(twin)):
        if isinstance(module, bnb.nn.Linear4bit):
            # a tensor made in inference mode could not be replaced by a merged one later
            with torch.inference_mode(False), torch.no_grad():
                weight = bnb.functional.dequantize_4bit(module.weight.data, module.weight.quant_state)
            plain = nn.Linear(module.in_features, module.out_features, bias=False, device="meta")
            plain.weight = nn.Parameter(weight, requires_grad=False)
            plain.bias = module.bias
            twin.set_submodule(name, plain)
    return twin.eval()


def read_config(folder: Path, settings: ModelSettings) -> Any:
    """Return the model's configuration. Raises Refusal when it is damaged, or describes a model we cannot use."""
    from transformers import AutoConfig

    config = read_or_refuse(
        folder,
        "config.json",
        lambda: AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False),
    )
    require_usable(config, folder, settings)
    return config


def context_tokens(config: Any) -> int | None:
    """Return how many tokens the model can read and write together; None where its configuration does not say."""
    room: int | None = getattr(config.get_text_config(), "max_position_embeddings", None)
    return room


def quiet_library() -> None:
    """Keep transformers' progress bars and warnings off the screen; errors still come through."""
    from transformers.utils import logging as library_logging

    library_logging.set_verbosity_error()
    library_logging.disable_progress_bar()


def require_usable(config: Any, folder: Path, settings: ModelSettings) -> None:
    """Raise Refusal when the model does more than continue a text, is quantised otherwise, or cannot be batched."""
    if getattr(config, "is_encoder_decoder", False):
        raise Refusal(
            f"{folder}: {config.model_type} is an encoder-decoder model, which does not continue a text.",
            "Use a causal language model, one that is a decoder alone.",
        )
    text = config.get_text_config()
    if not _continues_text(config):
        raise Refusal(
            f"{folder}: transformers has no causal language model for {config.model_type}"
            f"{', a model of images and text' if hasattr(config, 'vision_config') else ''}.",
            "Use a text model" + (f", such as one of type {text.model_type}." if text is not config else "."),
        )
    require_same_quantization(config, folder, settings)
    kinds = set(getattr(text, "layer_types", None) or ("full_attention",))
    if kinds - _KINDS or not kinds & _ATTENTION or not getattr(text, "num_attention_heads", 0):
        odd = sorted(kinds - _KINDS or kinds - _ATTENTION)
        raise Refusal(
            f"{folder}: layers of kind {', '.join(odd) or 'unknown'} keep a state this backend cannot batch.",
            "Use a model whose layers are attention (full, sliding, chunked), some of them perhaps linear attention.",
        )


def _continues_text(config: Any) -> bool:
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    return config.model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES


def texts_of(folder: Path, config: Any) -> Texts:
    """Return the tokenizer in ``folder`` with its end tokens. Raises Refusal as ``local.tokenizer.load_texts``."""
    text = config.get_text_config()
    return load_texts(folder, text.eos_token_id, getattr(text, "vocab_size", None))


def _load_model(folder: Path, config: Any, settings: ModelSettings, device: str, dtype: torch.dtype) -> Any:
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    options: dict[str, Any] = {}
    if settings.quantization == "nf4" and not stored_quantization(config):
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=dtype,
            bnb_4bit_use_double_quant=settings.double_quantization,
        )
    model, report = read_or_refuse(
        folder,
        "model.safetensors",
        lambda: AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=dtype,
            device_map={"": device},
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
            **options,
        ),
    )
    if report["missing_keys"]:
        some = ", ".join(sorted(report["missing_keys"])[:3])
        raise Refusal(
            f"{folder}: the weights lack {len(report['missing_keys'])} tensors ({some}), which would stay random.",
            "Download the weights again, or give the folder they belong to.",
        )
    keep_weights_in_place(model)
    model.requires_grad_(False)
    return model.eval()


def keep_weights_in_place(model: nn.Module) -> None:
    """Stop bitsandbytes from repacking weights on CPUs with AVX512_BF16.

    Its first eval forward would, and from then on training gets no gradient and logits depend on the processor.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            vars(module)["support_avx512bf16_for_cpu"] = False


def quantization_note(model: Any, settings: ModelSettings) -> str:
    """Return "value: reason" of how the weights are held. Raises Refusal when nothing could be quantised."""
    if settings.quantization == "none":
        return "none: requested"
    import bitsandbytes as bnb

    linear = [module for _, module in linear_modules(model)]
    packed = [module for module in linear if isinstance(module, bnb.nn.Linear4bit)]
    if not packed:
        raise Refusal("model.quantization = 'nf4' found no linear module to quantise.", "Set it to none.")
    held = sum(module.in_features * module.out_features for module in packed)
    rest = count_parameters(model) - held
    return (
        f"nf4: {len(packed)} of {len(linear)} linear modules, {held / 1e6:.1f} M parameters; "
        f"{rest / 1e6:.1f} M (embeddings, norms, fused experts) are not quantised"
    )


def how_held(model: Any, settings: ModelSettings, dtype: torch.dtype) -> str:
    """Return how weights are held and computed with, as "nf4 double in float32": read from the model itself."""
    states = [getattr(parameter, "quant_state", None) for parameter in model.parameters()]
    double = any(state.nested for state in states if state is not None)
    return f"{settings.quantization}{' double' if double else ''} in {str(dtype).removeprefix('torch.')}"


def count_parameters(model: nn.Module) -> int:
    """Return the parameters of the unquantised model: a 4-bit tensor counts what it stands for."""
    total = 0
    for parameter in model.parameters():
        state = getattr(parameter, "quant_state", None)
        total += state.shape.numel() if state is not None else parameter.numel()
    return total


def read_or_refuse(folder: Path, name: str, reading: Any) -> Any:
    """Return ``reading()``; what it raises becomes a refusal that names the file."""
    try:
        return reading()
    except Refusal:
        raise
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, ImportError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        raise _unreadable(folder, name, error) from error
    except Exception as error:
        kinds = {kind.__name__ for kind in type(error).__mro__}
        if "StrictDataclassError" in kinds:
            # the hub's library found values that contradict each other
            raise _unreadable(folder, name, error) from error
        if "SafetensorError" not in kinds:
            raise
        raise Refusal(f"{folder}: {name} is damaged ({error}).", "Download it again.") from error


def _unreadable(folder: Path, name: str, error: Exception) -> Refusal:
    said = " ".join(str(error).split())[:200]
    if "trust_remote_code" in str(error):
        return needs_own_code(folder, "model")
    way_out = (
        "Install what it requires, or give a model with plain or NF4 weights."
        if isinstance(error, ImportError)
        else "Restore the file, or download the model again."
    )
    return Refusal(f"{folder}: {name} cannot be loaded: {type(error).__name__}: {said}", way_out)
