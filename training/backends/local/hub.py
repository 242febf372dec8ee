"""Models of the Hugging Face hub: found in its cache, downloaded with a pulse, and each way to fail with its remedy."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from env.refusal import Refusal
from env.silence import reach, repeating, turn_to
from env.space import size_text

WANTED = ["*.json", "*.safetensors", "*.jinja", "*.txt", "tokenizer.model"]
# Second copies of the weights in other layouts (Mistral's consolidated file, gpt-oss' original and metal folders).
UNWANTED = ["consolidated*", "*/*"]
_TRUE = frozenset({"1", "ON", "YES", "TRUE"})
_COMMIT = re.compile(r"[0-9a-f]{40}")
_PULSE_S = 2.0
_OFFLINE_FIX = "Unset HF_HUB_OFFLINE, or download the model elsewhere and give its folder: model.path=FOLDER."
_LATER_FIX = "Run the command again: what was downloaded is kept. Or download the model and give its folder."

# Takes the bytes that a download has brought so far.
Told = Callable[[int], None]
_TOLD: ContextVar[Told | None] = ContextVar("told", default=None)


@contextmanager
def downloads_told(tell: Told) -> Iterator[None]:
    """Have ``tell`` called every few seconds with the bytes so far, while a model is downloaded inside the block."""
    before = _TOLD.set(tell)
    try:
        yield
    finally:
        _TOLD.reset(before)


def is_offline() -> bool:
    """Return whether the hub must not be contacted, by its library's environment variables."""
    value = os.environ.get("HF_HUB_OFFLINE") or os.environ.get("TRANSFORMERS_OFFLINE") or ""
    return value.upper() in _TRUE


def hub_cache() -> Path:
    """Return the folder into which models are downloaded; it need not exist."""
    from huggingface_hub import constants

    return Path(os.environ.get("HF_HUB_CACHE") or constants.HF_HUB_CACHE)


def commit_of(folder: Path) -> str:
    """Return the commit of a model in the hub's cache, 40 hexadecimal digits; "" for a folder elsewhere."""
    is_snapshot = folder.parent.name == "snapshots" and _COMMIT.fullmatch(folder.name)
    return folder.name if is_snapshot else ""


def cached(path: str, revision: str) -> Path | None:
    """Return the cached folder of a hub id, complete or not; None where there is none. Contacts nobody."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(
            snapshot_download(
                path,
                revision=revision or None,
                allow_patterns=WANTED,
                ignore_patterns=UNWANTED,
                local_files_only=True,
            )
        )
    except (LocalEntryNotFoundError, ValueError, OSError):
        return None


def download(path: str, revision: str) -> Path:
    """Return the folder of a hub id, downloaded into the hub's cache; what comes is told every few seconds.

    Raises:
        Refusal: says which of the ways to fail it was, and its remedy.
    """
    from huggingface_hub import snapshot_download

    turn_to(f"downloading {path} from the hub")
    tell, held = _TOLD.get(), _cached_bytes(path)
    # a command's words live in this thread's context
    say = tell or (lambda brought: reach(round(brought / 1e6), 0, "MB"))
    try:
        with repeating(lambda: say(max(0, _cached_bytes(path) - held)), _PULSE_S):
            return Path(
                snapshot_download(path, revision=revision or None, allow_patterns=WANTED, ignore_patterns=UNWANTED)
            )
    except Exception as error:
        raise refusal_of(error, path, revision) from error


def refusal_of(error: Exception, path: str, revision: str) -> Refusal:
    """Return what went wrong on the hub in one sentence, with its own remedy."""
    named = f"model.path = {path!r}"
    kinds = {kind.__name__ for kind in type(error).__mro__}
    status = getattr(getattr(error, "response", None), "status_code", None)
    if "GatedRepoError" in kinds:
        return Refusal(
            f"{named}: the model is gated, and this machine has no access to it.",
            f"Accept its terms at https://huggingface.co/{path}, then `hf auth login` or set HF_TOKEN.",
        )
    if kinds & {"RevisionNotFoundError", "RevisionResolutionError"}:
        return Refusal(
            f"{named}: the hub has no revision {revision!r} of it.",
            "Give a commit, tag or branch of the model: model.revision=COMMIT.",
        )
    if "RepositoryNotFoundError" in kinds or status == 401:
        return Refusal(
            f"{named}: no folder here, and the hub has no such model, or it is private.",
            "Check the name; for a private one `hf auth login` or set HF_TOKEN.",
        )
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Refusal(
            f"{named}: the disk is full while it is downloaded: {size_text(_free(hub_cache()))} free at {hub_cache()}.",
            "Free space there, or set HF_HOME to a folder on a larger disk; what was downloaded is kept.",
        )
    if isinstance(error, PermissionError):
        return Refusal(
            f"{named}: {hub_cache()} cannot be written.", "Make it writable, or set HF_HOME to another folder."
        )
    if "OfflineModeIsEnabled" in kinds or is_offline():
        return Refusal(f"{named}: it is not downloaded, and HF_HUB_OFFLINE forbids to contact the hub.", _OFFLINE_FIX)
    if isinstance(error, TimeoutError) or any("Timeout" in kind for kind in kinds):
        return Refusal(f"{named}: the hub did not answer in time.", _LATER_FIX)
    if status is not None:
        busy = " (too many requests)" if status == 429 else ""
        return Refusal(f"{named}: the hub answered with status {status}{busy}.", _LATER_FIX)
    if isinstance(error, ConnectionError) or kinds & {"ConnectError", "ProxyError", "LocalEntryNotFoundError"}:
        return Refusal(
            f"{named}: no folder here, and the hub cannot be reached ({type(error).__name__}).",
            "Check the connection and a proxy's settings, or download the model elsewhere and give its folder.",
        )
    return Refusal(
        f"{named}: no such folder here, and the hub did not provide it ({type(error).__name__}).",
        "Check the name and the connection, or download the model and give its folder.",
    )


def _cached_bytes(path: str) -> int:
    """Return the bytes in the cache of a hub id, those of unfinished files too."""
    total = 0
    for file in (hub_cache() / f"models--{path.replace('/', '--')}" / "blobs").glob("*"):
        try:
            total += file.stat().st_size
        except OSError:  # renamed meanwhile
            continue
    return total


def _free(folder: Path) -> int:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free
