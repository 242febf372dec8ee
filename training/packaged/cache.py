"""Where packaged models are kept once unpacked: made under a lock, whole or not at all, and checked at every use."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

from env.cache import cache_folder
from env.files import digest, make_folder, move, sha256_file, write_atomic
from env.installed.own_modules import module_command, module_environment
from env.locking import LockHeld, RunLock
from env.refusal import Refusal
from env.silence import turn_to
from env.space import DiskFull
from training.packaged.models import SCHEME, PackagedModel, installed_file, packaged_model

MANIFEST = "PACKAGED.json"
# increased when converting.py writes other bytes for the same file
_FORMAT = 1
_WAIT_S = 0.5
_NO_SPACE = "No space left on device"


def is_packaged(path: str) -> bool:
    """Return whether ``path`` names a packaged model ("packaged:smollm2_135m") and not a folder."""
    return path.startswith(SCHEME)


def cached_folder(path: str) -> Path:
    """Return the folder of the packaged model that ``path`` names, made or not; its name holds what it is made of.

    It is in $XDG_CACHE_HOME/luagate (else ~/.cache/luagate). Raises Refusal when no package is known for it.
    """
    model = packaged_model(path)
    return cache_folder() / "packaged" / f"{path.removeprefix(SCHEME)}-{digest([_FORMAT, model.sha256])[:12]}"


def require_available(path: str) -> None:
    """Raise Refusal, with the command that installs it, unless the model is in the cache or its package is here."""
    if not cached_folder(path).is_dir():
        installed_file(packaged_model(path))


def preparation(path: str) -> str:
    """Return what the first use of the model does before it can be loaded, in words; "" when that was done."""
    if cached_folder(path).is_dir():
        return ""
    return f"unpacking {path.removeprefix(SCHEME)} into {cache_folder()}, once"


def made_folder(path: str) -> Path:
    """Return the folder of the packaged model that ``path`` names, converted first when it is not in the cache yet.

    Raises:
        Refusal: the package is not installed or holds another file, the disk is too full, the conversion failed, or
            the cached folder is not what was converted.
    """
    model, folder = packaged_model(path), cached_folder(path)
    if not folder.is_dir():
        _make_under_lock(path, model, installed_file(model), folder)
    require_unchanged(folder)
    return folder


def source_note(path: str) -> str:
    """Return which package's file the cached folder was made of, and the digests of both."""
    found = read_manifest(cached_folder(path))
    source = found["source"]
    return (
        f"{packaged_model(path).title}: {Path(source['file']).name} of {source['package']} {source['version']}, "
        f"sha256 {source['sha256'][:16]}; unpacked {found['digest'][:16]}"
    )


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return what a converted folder says of itself. Raises Refusal where it cannot be read."""
    try:
        found: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        is_whole = bool(found["source"]["sha256"]) and digest(found["files"]) == found["digest"]
    except (OSError, ValueError, KeyError, TypeError):
        is_whole = False
    if not is_whole:
        raise _changed(folder, f"{MANIFEST} is damaged or missing")
    return found


@lru_cache
def require_unchanged(folder: Path) -> None:
    """Raise Refusal naming the files of a converted folder that are not what was converted; read once a process."""
    recorded, present = read_manifest(folder)["files"], _digests(folder)
    differing = sorted(name for name in {*recorded, *present} if recorded.get(name) != present.get(name))
    if differing:
        raise _changed(folder, f"{', '.join(differing)} changed since it was unpacked")


def _changed(folder: Path, what: str) -> Refusal:
    return Refusal(f"{folder}: {what}.", "Remove that folder; the next use unpacks the model again.")


def _digests(folder: Path) -> dict[str, str]:
    return {file.name: sha256_file(file) for file in sorted(folder.iterdir()) if file.name != MANIFEST}


def _make_under_lock(path: str, model: PackagedModel, file: Path, folder: Path) -> None:
    """Convert ``file`` into ``folder``, or wait for the process that does."""
    lock = RunLock(folder.parent / "lock")
    while not folder.is_dir():
        try:
            with lock:
                if not folder.is_dir():
                    turn_to(preparation(path))
                    _make(model, file, folder, lock.descriptors)
        except LockHeld as held:
            turn_to(f"waiting for {held.holder}, which unpacks {model.package}")
            time.sleep(_WAIT_S)


def _make(model: PackagedModel, file: Path, folder: Path, held: tuple[int, ...]) -> None:
    """Convert ``file`` beside ``folder`` and rename it to that; its manifest is written last."""
    _require_known(file, model)
    partial = folder.with_name(f".{folder.name}.partial")
    # what a killed attempt left there
    shutil.rmtree(partial, ignore_errors=True)
    if shutil.disk_usage(folder.parent).free < model.converted_bytes:
        raise DiskFull(folder, model.converted_bytes, f"unpacking {model.package}")
    make_folder(partial)
    try:
        _convert_elsewhere(model, file, partial, held)
        write_atomic(partial / MANIFEST, json.dumps(_manifest(model, partial), indent=2) + "\n")
        move(partial, folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _require_known(file: Path, model: PackagedModel) -> None:
    found = sha256_file(file)
    if found != model.sha256:
        raise Refusal(
            f"{file} is not the file of {model.package} {model.version}: its sha256 is {found[:16]}, "
            f"not {model.sha256[:16]}.",
            f"Install that version again: {model.install}",
        )


def _convert_elsewhere(model: PackagedModel, file: Path, folder: Path, held: tuple[int, ...]) -> None:
    """Convert in a separate process, which shares the lock: should this one be killed, no other begins beside it.

    It imports transformers, which must not happen before unsloth.
    """
    made = subprocess.run(
        module_command("training.packaged.converting", str(file), str(folder)),
        env=module_environment(),
        pass_fds=held,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if _NO_SPACE in made.stderr:
        raise DiskFull(folder, model.converted_bytes, f"unpacking {model.package}")
    if made.returncode:
        last = made.stderr.strip().splitlines()[-1:] or [f"it ended with {made.returncode} and printed nothing"]
        raise Refusal(
            f"{file.name} could not be unpacked into {folder.parent}: {last[0][:300]}",
            "Check free memory (it takes 2 GB) and that the library versions are those of env/locks.",
        )


def _manifest(model: PackagedModel, folder: Path) -> dict[str, Any]:
    """Flush the files of ``folder`` to the disk and return what the folder says of itself."""
    for file in folder.iterdir():
        _flush(file)
    files = _digests(folder)
    return {
        "schema_version": 1,
        "title": model.title,
        "license": model.license,
        "source": {"package": model.package, "version": model.version, "file": model.file, "sha256": model.sha256},
        "made_with": {package: metadata.version(package) for package in ("transformers", "gguf", "torch")},
        "files": files,
        "digest": digest(files),
    }


def _flush(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
