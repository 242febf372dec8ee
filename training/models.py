"""A base model by its backend's name: looked at before its weights load, loaded, and exported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from env.refusal import Refusal
from training.backends import backend_module, find_backend, require_quantization, require_server
from training.backends.base import LoadedModel, ModelIdentity, Serves
from training.backends.local.model_folder import find_folder, require_files
from training.exports import ExportRequest, Form, RoundTrip
from training.records import LoraSettings, ModelSettings
from training.sampler import Reference, SamplerSettings
from training.tiny_random.cache import is_recipe, made_folder


def load_model(backend: str, settings: ModelSettings) -> LoadedModel:
    """Return the model loaded by ``backend``; a path such as "tiny_random:mistral" is a model made on demand.

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


def export_adapter(backend: str, settings: ModelSettings, request: ExportRequest) -> RoundTrip:
    """Write an adapter or a merged model into ``request.to`` and compare it, read back, with what was measured.

    Raises:
        Refusal: the backend cannot export, the adapter is damaged or of another base, or the comparison failed.
    """
    if not find_backend(backend).exports:
        raise Refusal(
            f"backend = {backend!r} cannot export.",
            "Its checkpoints in gate_c are PEFT adapters as they are.",
        )
    found: RoundTrip = backend_module(backend).export(_with_folder(settings), request, settings.path)
    return found


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
    return find_folder(_with_folder(settings).path)


def require_complete_folder(settings: ModelSettings) -> None:
    """Raise Refusal naming what a model's folder lacks, or what it holds in place of a model; a hub id passes."""
    folder = local_folder(settings)
    if folder is not None:
        require_files(folder)


def _with_folder(settings: ModelSettings) -> ModelSettings:
    return replace(settings, path=str(made_folder(settings.path))) if is_recipe(settings.path) else settings
