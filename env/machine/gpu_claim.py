"""One card, one run: a lock by the card's own name, held by the process that computes on it until it ends."""

from __future__ import annotations

import fcntl
import os
import re
import tempfile
from contextlib import suppress
from pathlib import Path

from env.refusal import Refusal

# Descriptors of the cards that this process holds, by name: open until it ends, however it ends.
_HELD: dict[str, int] = {}


def claim_gpu(name: str) -> None:
    """Hold the card called ``name`` (its UUID) for this process; again for a card that it holds already does nothing.

    Raises:
        Refusal: another process holds it, of whichever user; says which one.
    """
    if name in _HELD:
        return
    descriptor = _opened(claim_file(name))
    if descriptor is None:
        return  # a folder that takes no file: better two runs on a card than none
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 200).decode("utf-8", "replace").strip()
        os.close(descriptor)
        raise Refusal(
            f"Another run computes on the GPU {name}{f' (process {holder})' if holder else ''}: two would not fit.",
            "Wait until it ends, stop it, or choose another card: CUDA_VISIBLE_DEVICES=1.",
        ) from None
    with suppress(OSError):  # another user's file cannot be written, but be locked
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    _HELD[name] = descriptor


def _opened(path: Path) -> int | None:
    # a file of another user in a folder for all may be opened for reading alone, which a lock is content with
    for flags in (os.O_RDWR | os.O_CREAT, os.O_RDONLY):
        with suppress(OSError):
            return os.open(path, flags | os.O_NOFOLLOW, 0o644)
    return None


def claim_file(name: str) -> Path:
    """Return the file whose lock is the claim: the same for every user of this machine."""
    return Path(tempfile.gettempdir()) / f"luagate-gpu-{re.sub(r'[^A-Za-z0-9.-]', '_', name)}.lock"
