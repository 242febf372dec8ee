"""Whether the disk has room for the checkpoints still to come: checked before training starts and before each save."""

from __future__ import annotations

import shutil
from pathlib import Path

from env.refusal import Refusal
from env.space import size_text

# AdamW keeps two numbers a parameter beside the parameter itself.
_COPIES = 3
# What a checkpoint holds beside tensors, and what metrics, logs and journal write meanwhile.
_SMALL_FILES_BYTES, _RESERVE_BYTES = 200_000, 5_000_000


def checkpoint_bytes(adapter_bytes: int) -> int:
    """Return about how many bytes a checkpoint of an adapter takes, optimizer included."""
    return _COPIES * adapter_bytes + _SMALL_FILES_BYTES


def checkpoints_left(start: int, max_steps: int, checkpoint_every: int) -> int:
    """Return how many scheduled checkpoints come after step ``start``."""
    return -(-max_steps // checkpoint_every) - start // checkpoint_every


def require_room(folder: Path, each_bytes: int, count: int) -> None:
    """Require room for ``count`` checkpoints of about ``each_bytes`` under ``folder``, which exists.

    Raises:
        Refusal: says how much is needed, how much is free and where; nothing has been written.
    """
    needed = each_bytes * count + _RESERVE_BYTES
    free = shutil.disk_usage(folder).free
    if free >= needed:
        return
    what = "the next checkpoint" if count == 1 else f"the {count} checkpoints still to come"
    raise Refusal(
        f"{folder}: too little disk for {what}: about {size_text(needed)} needed, {size_text(free)} free.",
        f"Free {size_text(needed - free)} there and run `advance` again; what was saved before is kept. "
        "A larger gate.c.train.checkpoint_every saves fewer.",
    )
