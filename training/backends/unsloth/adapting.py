"""Putting adapters on an unsloth model: a fresh one to train, or a trained one to measure, always through PEFT.

unsloth's fast kernels read an adapter's matrices and scale from PEFT's modules and bypass hooks, so a correction added
by a hook would be silently lost.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from env.refusal import Refusal
from training.backends.local.targets import layer_of
from training.backends.transformers_peft.lora import adapter_sizes, require_only, target_modules
from training.backends.transformers_peft.loss.laying_out import padded
from training.examples import TokenRow, answer_tokens
from training.records import LoraSettings, TrainSettings

_LOG = logging.getLogger(__name__)


@contextmanager
def trainable(model: Any, lora: LoraSettings, settings: TrainSettings) -> Iterator[Any]:
    """Yield the PEFT model with a fresh adapter made by unsloth; on exit the base is as before, without adapter.

    Raises:
        Refusal: ``settings`` ask for logits in chunks or packed rows, a module or layer does not exist, or a parameter
            that was not requested would train.
    """
    if settings.logit_chunk:
        raise Refusal(
            f"gate.c.train.logit_chunk={settings.logit_chunk}: unsloth has a loss of its own.",
            "Set gate.c.train.logit_chunk=0.",
        )
    if settings.packing:
        raise Refusal(
            "gate.c.train.packing=true: unsloth's own attention is not known to keep packed rows apart.",
            "Set gate.c.train.packing=false.",
        )
    targets = target_modules(model, lora)
    layers = sorted({layer for name in targets if (layer := layer_of(name)) is not None})
    checkpointing: Any = "unsloth" if settings.gradient_checkpointing else False
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        wrapped = _loader(model).get_peft_model(
            model,
            r=lora.r,
            lora_alpha=lora.alpha,
            lora_dropout=lora.dropout,
            target_modules=list(lora.target_modules),
            layers_to_transform=layers,
            use_rslora=lora.rslora,
            bias="none",
            use_gradient_checkpointing=checkpointing,
            # numpy, which unsloth seeds too, takes 32 bits
            random_state=settings.seed % 2**32,
        )
    try:
        require_only(wrapped, adapter_sizes(model, targets, lora))
        yield wrapped
    finally:
        _unload(wrapped, model)


def loss_of_batch(model: Any, rows: Sequence[TokenRow]) -> Tensor:
    """Return the summed negative log-likelihood (nats) of the rows' answers.

    Computed by unsloth's own loss, which never holds the logits of a whole batch.
    """
    ids, labels = padded(rows, model.device)
    # the adapter trains in float32 while the base computes in 16 bits
    on_gpu = model.device.type == "cuda"
    with torch.autocast("cuda", dtype=torch.bfloat16) if on_gpu else nullcontext():
        mean: Tensor = model(input_ids=ids, labels=labels, use_cache=False).loss
    return mean * answer_tokens(rows)


@contextmanager
def worn(model: Any, folder: Path, scale: float) -> Iterator[Any]:
    """Yield ``model`` computing with the adapter in ``folder`` at ``scale``; on exit it is exactly restored."""
    from peft import PeftModel
    from peft.helpers import rescale_adapter_scale

    if scale == 0:
        yield model
        return
    with ExitStack() as undo:
        wrapped = PeftModel.from_pretrained(model, str(folder), autocast_adapter_dtype=False)
        undo.callback(_unload, wrapped, model)
        undo.enter_context(rescale_adapter_scale(wrapped, scale))
        yield wrapped.eval()


def _loader(model: Any) -> Any:
    """Return the class of unsloth that loaded ``model``."""
    from unsloth import FastLanguageModel, FastModel

    return FastModel if model.device.type == "cpu" else FastLanguageModel


def _unload(wrapped: Any, model: Any) -> None:
    """Take PEFT's modules out of ``model`` and leave the base frozen, as it was loaded."""
    wrapped.base_model.unload()
    if hasattr(model, "peft_config"):
        del model.peft_config
    model.requires_grad_(False)
    model.eval()
