"""A disk that is full or read-only from one instant on, for both processes of a run, until it is mended."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

from tests.faults.order import Act

READ_ONLY = "read-only"
# what a new file or folder costs besides its bytes
ENTRY_BYTES = 1
_CREATING = frozenset({"mkdir", "link"})
_WRITING = frozenset({"write", "pwrite"})
_FREEING = frozenset({"unlink", "remove", "rename", "replace"})


class FaultyDisk:
    """The state of the disk stands in ``state``: no file is a sound disk, else how many bytes still fit."""

    def __init__(self, state: Path) -> None:
        self.state = state

    def fail(self, act: Act, room_bytes: int) -> None:
        """Let the disk fail from now on."""
        self._store(READ_ONLY if act is Act.MAKE_READ_ONLY else str(room_bytes))

    def admit(self, name: str, path: str, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the arguments a call is made with: of a write that does not fit, the part that does.

        Raises:
            OSError: ENOSPC where nothing fits, EROFS on a read-only disk.
        """
        try:
            text = self.state.read_text(encoding="utf-8")
        except FileNotFoundError:
            return args
        if text == READ_ONLY:
            if name == "fsync":
                return args
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)
        return self._within(int(text), name, path, args)

    def _within(self, room: int, name: str, path: str, args: tuple[Any, ...]) -> tuple[Any, ...]:
        if name in _FREEING:
            self._store(str(room + _size(path)))
            return args
        if name in _WRITING:
            need = len(args[1])
            fits = min(need, room)
            if need and not fits:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
            self._store(str(room - fits))
            return (args[0], bytes(args[1])[:fits], *args[2:])
        if name in _CREATING or (name == "open" and not os.path.exists(path)):
            if room < ENTRY_BYTES:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
            self._store(str(room - ENTRY_BYTES))
        return args

    def _store(self, text: str) -> None:
        # by a rename: the other process must never read half of it
        fresh = self.state.with_name(f"{self.state.name}.{os.getpid()}")
        fresh.write_text(text, encoding="utf-8")
        os.replace(fresh, self.state)


def _size(path: str) -> int:
    """Return the bytes that deleting or replacing ``path`` gives back."""
    try:
        found = os.lstat(path)
    except OSError:
        return 0
    return found.st_size if found.st_nlink == 1 else 0
