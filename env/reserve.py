"""A few blocks reserved in a run's folder, released when the disk is full so that the journal can still record it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from env.files import write_atomic

NAME = ".reserve"
# a failure, an event and the folders' entries take a few blocks
RESERVE_BYTES = 65_536


def keep_reserve(folder: Path) -> None:
    """Keep the reserve in ``folder``. Raises DiskFull where not even that fits: then nothing should start."""
    path = folder / NAME
    try:
        if path.stat().st_size == RESERVE_BYTES:
            return
    except OSError:
        pass
    # random, so that no file system can compress it away
    write_atomic(path, os.urandom(RESERVE_BYTES))


def spend_reserve(folder: Path) -> bool:
    """Release the reserve's space; return whether there was one."""
    with contextlib.suppress(OSError):
        os.unlink(folder / NAME)
        return True
    return False
