"""The experiment's backends: what each is, as plain data. Listing them imports no library and no backend."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from env.refusal import Refusal, choices_hint


@dataclass(frozen=True, slots=True)
class Backend:
    """One library, or set of libraries, that holds models.

    Attributes:
        name: as ``backend.name`` in the configuration.
        module: where ``load(settings) -> LoadedModel`` is, as text. It may offer ``check(settings, lora)``,
            ``text_choices(settings)`` and ``texts(settings)``; where it ``exports``, it offers
            ``export(settings, request, base_name)``.
        library: the top-level module without which it cannot start.
        install: how to install that library, as text.
        packages: what its numbers depend on, as pip spells it: their versions enter every report and every reuse.
        locks: the files of env/locks with whose versions it was measured.
        extras: the project's extras that bring what the locks pin.
        quantizations: the values of ``model.quantization`` that it can hold.
        generates, trains, exports: what it can do.
        serves: it samples for a backend that trains (``sampler=...``); its module then offers ``open_server``.
    """

    name: str
    module: str
    library: str
    install: str
    packages: tuple[str, ...]
    locks: tuple[str, ...]
    extras: tuple[str, ...]
    quantizations: tuple[str, ...]
    generates: bool = True
    trains: bool = True
    exports: bool = True
    serves: bool = False


# jinja2 renders the chat templates; triton and kernels compute on GPUs where they are installed
_TRANSFORMERS = (
    "torch",
    "transformers",
    "tokenizers",
    "jinja2",
    "safetensors",
    "peft",
    "bitsandbytes",
    "accelerate",
    "triton",
    "kernels",
)

BACKENDS: dict[str, Backend] = {
    backend.name: backend
    for backend in (
        Backend(
            name="transformers_peft",
            module="training.backends.transformers_peft",
            library="transformers",
            install="`make setup`",
            packages=_TRANSFORMERS,
            locks=("core",),
            extras=("dev",),
            quantizations=("nf4", "none"),
        ),
        Backend(
            name="unsloth",
            module="training.backends.unsloth",
            library="unsloth",
            install="`make setup-unsloth`, or the extra `unsloth`, in a separate environment",
            packages=(*_TRANSFORMERS, "unsloth", "unsloth-zoo", "trl", "xformers", "torchao", "cut-cross-entropy"),
            locks=("unsloth",),
            extras=("dev", "unsloth"),
            quantizations=("nf4", "none"),
        ),
        Backend(
            name="mlx",
            module="training.backends.mlx",
            library="mlx_lm",
            install="`make setup-mlx`, or the extra `mlx`",
            packages=("mlx", "mlx-metal", "mlx-cpu", "mlx-lm", "transformers", "tokenizers", "jinja2", "safetensors"),
            locks=("core", "mlx"),
            extras=("mlx",),
            quantizations=("q4", "q8", "none"),
        ),
        Backend(
            name="endpoint",
            module="training.backends.endpoint",
            library="httpx2",
            install="`pip install httpx2`, or the extra `endpoint`",
            # the server's own version stands in the report: the server tells it
            packages=("httpx2",),
            locks=("core",),
            extras=("endpoint",),
            quantizations=("nf4", "q4", "q8", "none"),
            trains=False,
            exports=False,
            serves=True,
        ),
    )
}


def find_backend(name: str) -> Backend:
    """Return the backend called ``name``. Raises Refusal with the nearest name when there is none."""
    if name not in BACKENDS:
        raise Refusal(f"backend.name = {name!r} is unknown.", choices_hint(name, BACKENDS))
    return BACKENDS[name]


def require_installed(name: str) -> Backend:
    """Return the backend called ``name``, importing nothing. Raises Refusal when it is unknown or not installed."""
    backend = find_backend(name)
    if find_spec(backend.library) is None:
        raise Refusal(f"backend = {name!r} needs a library that is not installed.", f"Install it: {backend.install}.")
    return backend


def require_trainer(name: str) -> Backend:
    """Return the backend called ``name``. Raises Refusal when it is unknown, or cannot train."""
    backend = find_backend(name)
    if not backend.trains:
        able = [other.name for other in BACKENDS.values() if other.trains]
        beside = f" It samples beside one of them: sampler={name}." if backend.serves else ""
        raise Refusal(f"backend = {name!r} cannot train.", choices_hint("", able) + beside)
    return backend


def require_server(name: str) -> Backend:
    """Return the backend ``name`` that samples for another one. Raises Refusal as ``require_installed``, or if not."""
    if name not in BACKENDS or not BACKENDS[name].serves:
        able = [other.name for other in BACKENDS.values() if other.serves]
        raise Refusal(f"sampler.name = {name!r} is no backend that samples for another.", choices_hint(name, able))
    return require_installed(name)


def require_quantization(name: str, quantization: str) -> None:
    """Raise Refusal when the backend called ``name`` cannot hold weights in ``quantization``; says which one can."""
    backend = find_backend(name)
    if quantization in backend.quantizations:
        return
    able = [other.name for other in BACKENDS.values() if quantization in other.quantizations]
    raise Refusal(
        f"model.quantization = {quantization!r}: backend {name} cannot hold it.",
        f"Set model.quantization to one of: {', '.join(backend.quantizations)}"
        + (f"; or backend to one of: {', '.join(able)}." if able else "."),
    )


def backend_module(name: str) -> ModuleType:
    """Return the module of an installed backend. Raises Refusal as ``require_installed``."""
    return import_module(require_installed(name).module)


def backend_of_lock(lock: str) -> Backend | None:
    """Return the backend that was measured with ``lock`` of env/locks ("mlx"); None where it is no backend's own."""
    return next((backend for backend in BACKENDS.values() if backend.trains and backend.locks[-1] == lock), None)
