"""The folder of a base model: here or from the hub, with every file that loading needs, or a refusal that names it."""

from __future__ import annotations

import os
from pathlib import Path

from env.refusal import Refusal
from training.backends.local.identity import weight_files

_HUB_FILES = ["*.json", "*.safetensors", "*.jinja", "*.txt", "tokenizer.model"]
_TRUE = frozenset({"1", "ON", "YES", "TRUE"})
_CONVERT = "GGUF cannot be trained: convert it to a folder of safetensors first (docs/your-model-and-data.md)."
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json")


def find_folder(path: str) -> Path | None:
    """Return the local folder of ``path``, or the hub's cached one; None for a hub id that is not fully in the cache.

    Offline an incomplete model is returned: its missing files cannot be downloaded and are refused by name later.

    Raises:
        Refusal: ``path`` is that of a folder that does not exist, or of a file.
    """
    folder = Path(path).expanduser()
    if folder.is_dir():
        return folder
    if folder.is_file():
        fix = _CONVERT if folder.suffix == ".gguf" else f"Give the folder that holds it: model.path={folder.parent}"
        raise Refusal(f"model.path = {path!r}: a file, not a model's folder.", fix)
    if path.startswith((".", "/", "~")) or path.count("/") != 1:
        raise Refusal(f"model.path = {path!r}: no such folder.", "Give a model's folder, or a hub id like org/name.")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        cached = Path(snapshot_download(path, allow_patterns=_HUB_FILES, local_files_only=True))
    except (LocalEntryNotFoundError, ValueError, OSError):
        return None
    return cached if is_offline() or _is_complete(cached) else None


def is_offline() -> bool:
    """Return whether the hub must not be contacted, by its library's environment variables."""
    value = os.environ.get("HF_HUB_OFFLINE") or os.environ.get("TRANSFORMERS_OFFLINE") or ""
    return value.upper() in _TRUE


def hub_cache() -> Path:
    """Return the folder into which models are downloaded; it need not exist."""
    from huggingface_hub import constants

    return Path(os.environ.get("HF_HUB_CACHE") or constants.HF_HUB_CACHE)


def _is_complete(folder: Path) -> bool:
    try:
        require_files(folder)
    except Refusal:
        return False
    return True


def model_folder(path: str) -> Path:
    """Return the local folder of ``path``; a hub id is downloaded, or found in the hub's cache when offline.

    Raises:
        Refusal: there is no such folder, and the hub did not provide it.
    """
    found = find_folder(path)
    if found is not None:
        return found
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(path, allow_patterns=_HUB_FILES))
    except Exception as error:
        raise Refusal(
            f"model.path = {path!r}: no such folder here, and the hub did not provide it ({type(error).__name__}).",
            "Check the name and the connection, or download the model and give its folder.",
        ) from error


def require_files(folder: Path) -> None:
    """Raise Refusal naming the file that ``folder`` lacks: configuration, weights with all their shards, tokenizer."""
    if not (folder / "config.json").is_file():
        raise _no_model(folder)
    try:
        files = weight_files(folder)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Refusal(
            f"{folder}: model.safetensors.index.json cannot be loaded: {type(error).__name__}: {error}"
        ) from error
    if not files:
        raise Refusal(
            f"{folder}: model.safetensors is missing.",
            "Give a folder with safetensors weights; pickled ones (.bin) can run code and are not read.",
        )
    for path in files:
        if not path.is_file():
            raise Refusal(f"{folder}: {path.name} is missing, and the weight index lists it.", "Download it again.")
    if not any((folder / name).is_file() for name in _TOKENIZERS):
        raise Refusal(f"{folder}: tokenizer.json is missing.", "Put the model's tokenizer beside its weights.")


def _no_model(folder: Path) -> Refusal:
    """Return the refusal of a folder without config.json, by what it holds in place of a model."""
    missing = f"{folder}: config.json is missing"
    if (folder / "adapter_config.json").is_file():
        fix = "Give its base model's folder, or that of `python -m runner export --form merged`."
        return Refusal(f"{missing}: this is a LoRA adapter, not a model.", fix)
    if packed := sorted(folder.glob("*.gguf")):
        return Refusal(f"{missing}: it holds {packed[0].name}.", _CONVERT)
    # as the hub's cache and archives lay them out
    if inside := sorted([*folder.glob("*/config.json"), *folder.glob("snapshots/*/config.json")]):
        return Refusal(f"{missing}: the model is in a folder inside it.", f"Give model.path={inside[0].parent}")
    return Refusal(f"{missing}.", "Give the folder that holds config.json and the weights.")
