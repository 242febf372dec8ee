"""A base model by its backend's name: looked at before its weights load, loaded, and exported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from env.refusal import Refusal
from training.backends import backend_module, find_backend, require_quantization, require_server
from training.backends.base import LoadedModel, ModelIdentity, Serves
from training.backends.local.gguf.adapter_file import add_gguf
from training.backends.local.gguf.families import require_family
from training.backends.local.model_folder import find_folder, model_folder, require_files
from training.exports import ExportRequest, Form, RoundTrip
from training.packaged import cache as packaged
from training.packaged.models import loading_lines, packaged_model
from training.records import LoraSettings, ModelSettings
from training.sampler import Reference, SamplerSettings
from training.tiny_random import cache as tiny_random


def load_model(backend: str, settings: ModelSettings) -> LoadedModel:
    """Return the model loaded by ``backend``; paths like "tiny_random:mistral" are made on demand.

    Raises:
        Refusal: the backend is unknown or not installed, or the model's files are missing or unfit.
    """
    module = backend_module(backend)
    require_quantization(backend, settings.quantization)
    model: LoadedModel = module.load(_with_folder(settings))
    return model


def check_settings(backend: str, settings: ModelSettings, lora: LoraSettings) -> None:
    """Look at everything that can be refused before a weight is read, as far as ``backend`` knows how.

    Raises:
        Refusal: the backend is unknown or not installed, files are missing, or the adapter does not fit the model.
    """
    check = getattr(backend_module(backend), "check", None)
    require_quantization(backend, settings.quantization)
    if check is not None:
        check(_with_folder(settings), lora)


def text_choices(backend: str, settings: ModelSettings) -> dict[str, str]:
    """Return the tokenizer's choices, name -> "value: reason", without reading a weight; {} where ``backend`` cannot.

    Raises:
        Refusal: the tokenizer is damaged, or names no end token.
    """
    choices_of = getattr(backend_module(backend), "text_choices", None)
    found: dict[str, str] = {} if choices_of is None else choices_of(_with_folder(settings))
    return found


def texts_of(backend: str, settings: ModelSettings) -> Any:
    """Return the model's tokenizer with its chat template (``local.texts.Texts``); no weight is read.

    Raises:
        Refusal: ``backend`` is unknown, not installed or cannot, or the tokenizer is missing or damaged.
    """
    read_texts = getattr(backend_module(backend), "texts", None)
    if read_texts is None:
        raise Refusal(f"backend = {backend!r} reads no tokenizer without its model.", "Set backend=transformers_peft.")
    return read_texts(_with_folder(settings))


def export_adapter(backend: str, settings: ModelSettings, request: ExportRequest) -> RoundTrip:
    """Write an adapter or a merged model into ``request.to`` and compare it, read back, with what was measured.

    Raises:
        Refusal: the backend cannot export, or not for llama.cpp, the adapter is damaged or of another base, or the
            comparison failed.
    """
    if not find_backend(backend).exports:
        raise Refusal(
            f"backend = {backend!r} cannot export.",
            "Its checkpoints in gate_c are PEFT adapters as they are.",
        )
    here, form = _with_folder(settings), request.form
    layout = require_family(model_folder(here.path, here.revision)) if form == "gguf" else None
    asked = replace(request, form="adapter") if layout else request
    found: RoundTrip = backend_module(backend).export(here, asked, settings.path)
    return replace(found, loaded_by=f"{found.loaded_by}; {add_gguf(request.to, layout)}") if layout else found


def open_server(
    backend: str,
    settings: ModelSettings,
    sampler: SamplerSettings,
    identity: ModelIdentity,
    parameters: int,
    references: Sequence[Reference],
    least_nats: float,
) -> Serves:
    """Return the base that ``backend`` trains as the servers of ``sampler`` hold it; no weight is read here.

    Args:
        identity, parameters: of the base that was loaded here, which the server's is held against.
        references: prompts and answers by which base and adapters are recognised.
        least_nats: an adapter must move some log-probability by so much.

    Raises:
        Refusal: a server cannot be used, or ``backend`` cannot read a tokenizer without a model.
    """
    here = _with_folder(settings)
    read_texts = getattr(backend_module(backend), "texts", None)
    if read_texts is None:
        raise Refusal(f"backend = {backend!r} does not let a server sample for it.", "Set sampler=own.")

    def export(adapter: Path, scale: float, form: Form, to: Path) -> None:
        # texts only serve to compare the export with what it was made from
        texts = tuple(one.prompt for one in references)
        export_adapter(backend, settings, ExportRequest(adapter, scale, form, to, texts))

    module = import_module(require_server(sampler.name).module)
    served: Serves = module.open_server(sampler, read_texts(here), export, identity, parameters, references, least_nats)
    return served


def local_folder(settings: ModelSettings) -> Path | None:
    """Return the folder that holds the model; None for a hub id that was not downloaded yet. Downloads nothing.

    Raises:
        Refusal: ``settings.path`` names a folder that is not there.
    """
    placed = _with_folder(settings)
    return find_folder(placed.path, placed.revision)


def require_complete_folder(settings: ModelSettings) -> None:
    """Raise Refusal naming what a model's folder lacks, or what it holds in place of a model; a hub id passes."""
    folder = local_folder(settings)
    if folder is not None:
        require_files(folder)


def is_made_on_demand(path: str) -> bool:
    """Return whether ``path`` names a model that its first use makes, and neither a folder nor one of the hub."""
    return tiny_random.is_recipe(path) or packaged.is_packaged(path)


def require_makeable(path: str) -> None:
    """Raise Refusal when there is no such model to make on demand, or what it is made of is not installed."""
    if packaged.is_packaged(path):
        packaged.require_available(path)
    else:
        tiny_random.cached_folder(path)


def preparation(path: str) -> str:
    """Return the work of the first use that takes long, in words; "" where there is none."""
    return packaged.preparation(path) if packaged.is_packaged(path) else ""


def source_note(path: str) -> str:
    """Return where a packaged model's files come from, with digests; "" for any other model."""
    return packaged.source_note(path) if packaged.is_packaged(path) else ""


def hub_name(path: str) -> str:
    """Return the name on the hub of the weights that a packaged model was made of; any other path as it is."""
    return packaged_model(path).released_as if packaged.is_packaged(path) else path


def unpacking_lines(path: str) -> list[str]:
    """Return the lines of Python that load a packaged model with nothing of this project; [] for any other path."""
    return loading_lines(packaged_model(path)) if packaged.is_packaged(path) else []


def _with_folder(settings: ModelSettings) -> ModelSettings:
    if packaged.is_packaged(settings.path):
        return replace(settings, path=str(packaged.made_folder(settings.path)))
    if tiny_random.is_recipe(settings.path):
        return replace(settings, path=str(tiny_random.made_folder(settings.path)))
    return settings
