"""The backends: a table from name to module, and the one function that loads a model for measuring and training."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from env.refusal import Refusal, choices_hint
from training.tiny_random.cache import is_recipe, made_folder

if TYPE_CHECKING:
    from pathlib import Path

    from training.backends.base import LoadedModel
    from training.exports import ExportRequest, RoundTrip
    from training.records import LoraSettings, ModelSettings

# each module offers load(settings) -> LoadedModel, and may offer check(settings, lora) and text_choices(settings);
# nothing heavy is imported before it is asked for
BACKENDS: dict[str, str] = {
    "transformers_peft": "training.backends.transformers_peft",
    "unsloth": "training.backends.unsloth",
    "mlx": "training.backends.mlx",
}

# what must be importable for a backend whose library is no dependency of the project, and how it is installed
_LIBRARIES = {
    "unsloth": ("unsloth", "make setup-unsloth: an environment of its own, whose pins differ from the core's."),
    "mlx": ("mlx_lm", "pip install 'luagate[mlx]'"),
}


def load_model(backend: str, settings: ModelSettings) -> LoadedModel:
    """Return the model loaded by ``backend``; a path such as "tiny_random:mistral" is a model made on demand.

    Raises:
        Refusal: the backend is unknown or not installed, or the model's files are missing or unfit.
    """
    model: LoadedModel = _module(backend).load(_with_folder(settings))
    return model


def require_library(backend: str) -> None:
    """Raise Refusal when ``backend`` is unknown, or its library is not installed; imports neither."""
    if backend not in BACKENDS:
        raise Refusal(f"backend.name = {backend!r} is unknown.", choices_hint(backend, BACKENDS))
    library, way = _LIBRARIES.get(backend, ("", ""))
    if library and find_spec(library) is None:
        raise Refusal(f"backend = {backend!r} needs a library that is not installed.", way)


def check_settings(backend: str, settings: ModelSettings, lora: LoraSettings) -> None:
    """Look at everything that can be refused before a weight is read, as far as ``backend`` knows how.

    Raises:
        Refusal: the backend is unknown or not installed, files are missing, or the adapter does not fit the model.
    """
    check = getattr(_module(backend), "check", None)
    if check is not None:
        check(_with_folder(settings), lora)


def text_choices(backend: str, settings: ModelSettings) -> dict[str, str]:
    """Return the tokenizer's choices, name -> "value: reason", without reading a weight; {} where ``backend`` cannot.

    Raises:
        Refusal: the tokenizer is damaged, or names no end token.
    """
    choices_of = getattr(_module(backend), "text_choices", None)
    found: dict[str, str] = {} if choices_of is None else choices_of(_with_folder(settings))
    return found


def export_adapter(backend: str, settings: ModelSettings, request: ExportRequest) -> RoundTrip:
    """Write an adapter or a merged model into ``request.to`` and compare it, read back, with what was measured.

    Raises:
        Refusal: the backend cannot export, the adapter is damaged or of another base, or the comparison failed.
    """
    export = getattr(_module(backend), "export", None)
    if export is None:
        raise Refusal(
            f"backend = {backend!r} cannot export.",
            "Its checkpoints in gate_c are PEFT adapters as they are.",
        )
    found: RoundTrip = export(_with_folder(settings), request, settings.path)
    return found


def local_folder(settings: ModelSettings) -> Path | None:
    """Return the folder that holds the model; None for a hub id that was not downloaded yet. Downloads nothing.

    Raises:
        Refusal: ``settings.path`` names a folder that is not there.
    """
    from training.backends.local.model_folder import find_folder

    return find_folder(_with_folder(settings).path)


def _module(backend: str) -> Any:
    if backend not in BACKENDS:
        raise Refusal(f"backend = {backend!r} is unknown.", choices_hint(backend, BACKENDS))
    return import_module(BACKENDS[backend])


def _with_folder(settings: ModelSettings) -> ModelSettings:
    return replace(settings, path=str(made_folder(settings.path))) if is_recipe(settings.path) else settings
