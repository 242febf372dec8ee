"""A full disk, as a refusal: where, how much is free there, and how much the write still needs."""

from __future__ import annotations

import shutil
from pathlib import Path

from env.refusal import Refusal

# what the smallest file takes
BLOCK_BYTES = 4096


class DiskFull(Refusal):
    """No space was left while writing ``path``.

    Attributes:
        needed_bytes: an estimate of what must be freed to continue; at least one block.
    """

    def __init__(self, path: Path, needed_bytes: int, what: str = "") -> None:
        self.path = path
        self.needed_bytes = max(needed_bytes, BLOCK_BYTES)
        folder = path if path.is_dir() else path.parent
        need = size_text(self.needed_bytes)
        super().__init__(
            f"{path}: no space left on its disk: {_free(folder)}, {need} needed{f' for {what}' if what else ''}.",
            f"Free at least {need} under {folder} and run the same command again; what was written before is kept.",
        )

    def needing(self, needed_bytes: int, what: str) -> DiskFull:
        """Return the same refusal with a better estimate, and what it is for."""
        return DiskFull(self.path, max(needed_bytes, self.needed_bytes), what)


def size_text(count: int) -> str:
    """Return a number of bytes as text: "4,096 bytes", "1.3 MB"."""
    if count >= 1_000_000_000:
        return f"{count / 1e9:.1f} GB"
    return f"{count / 1e6:.1f} MB" if count >= 100_000 else f"{count:,} bytes"


def _free(folder: Path) -> str:
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    try:
        return f"{size_text(shutil.disk_usage(folder).free)} free"
    except OSError:
        return "free space unknown"
