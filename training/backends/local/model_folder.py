"""The folder of a base model: here or from the hub, with every file that loading needs, or a refusal that names it."""

from __future__ import annotations

from pathlib import Path

from env.refusal import Refusal
from training.backends.local.hub import cached, download, is_offline
from training.needs.weight_headers import weight_files

_CONVERT = "GGUF cannot be trained: convert it to a folder of safetensors first (docs/your-model-and-data.md)."
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json")


def find_folder(path: str, revision: str) -> Path | None:
    """Return the local folder of ``path``, or the hub's cached one; None for a hub id that is not fully in the cache.

    Offline an incomplete model is returned: its missing files cannot be downloaded and are refused by name later.

    Args:
        revision: a commit, tag or branch of a hub id; "" is its main branch.

    Raises:
        Refusal: ``path`` is that of a folder that does not exist, or of a file, or a folder was given a revision.
    """
    folder = Path(path).expanduser()
    if folder.is_dir():
        if revision:
            raise Refusal(
                f"model.revision = {revision!r}: {folder} is a folder, and only models of the hub have revisions.",
                "Leave model.revision empty.",
            )
        return folder
    if folder.is_file():
        fix = _CONVERT if folder.suffix == ".gguf" else f"Give the folder that holds it: model.path={folder.parent}"
        raise Refusal(f"model.path = {path!r}: a file, not a model's folder.", fix)
    if path.startswith((".", "/", "~")) or path.count("/") != 1:
        raise Refusal(f"model.path = {path!r}: no such folder.", "Give a model's folder, or a hub id like org/name.")
    found = cached(path, revision)
    return found if found is None or is_offline() or _is_complete(found) else None


def _is_complete(folder: Path) -> bool:
    try:
        require_files(folder)
    except Refusal:
        return False
    return True


def model_folder(path: str, revision: str) -> Path:
    """Return the local folder of ``path``; a hub id is downloaded, or found in the hub's cache when offline.

    Raises:
        Refusal: there is no such folder, and the hub did not provide it.
    """
    return find_folder(path, revision) or download(path, revision)


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
