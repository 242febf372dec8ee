"""Exporting from unsloth: the adapter compared on the model that was measured; merged models by transformers alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from training.backends.transformers_peft.adapters import read_adapter
from training.backends.transformers_peft.exporting import LOGIT_TOLERANCE, compared, logits_of, write_baked
from training.backends.unsloth.adapting import worn
from training.backends.unsloth.loading import load_base
from training.backends.unsloth.starting import Started
from training.exports import ExportRequest, RoundTrip, require_close
from training.records import ModelSettings


def export_adapter_form(settings: ModelSettings, request: ExportRequest, base_name: str, started: Started) -> RoundTrip:
    """Write the adapter with its scale baked in into ``request.to`` and return how it compares when read back.

    Both are applied through PEFT, as a sweep applies them, to the base that unsloth loads: its 4-bit files of gpt-oss
    load nowhere else.

    Raises:
        Refusal: the adapter is damaged or belongs to another base, or the export does not compute what was measured.
    """
    loaded = load_base(settings, started)
    read_adapter(request.adapter, loaded.identity.digest, loaded.model)
    ids = [loaded.texts.prompt(text) for text in request.texts]
    measured = _logits(loaded.model, request.adapter, request.scale, ids)
    write_baked(request.adapter, request.scale, request.to, base_name)
    found = compared(measured, _logits(loaded.model, request.to, 1.0, ids), "peft on unsloth's model")
    require_close(found, LOGIT_TOLERANCE[loaded.model.dtype], request.to)
    return found


def _logits(model: Any, folder: Path, scale: float, ids: Sequence[list[int]]) -> list[torch.Tensor]:
    with worn(model, folder, scale) as wrapped:
        return logits_of(wrapped, ids)
