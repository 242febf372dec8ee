"""A power cut as strict as the standard allows: what no fsync covered is gone, in files and in folders."""

from __future__ import annotations

import itertools
import os
import shutil
from pathlib import Path

_REPLACING = frozenset({"unlink", "remove", "rename", "replace"})


class DurableImage:
    """What of the tree under ``root`` would survive a power cut now.

    Attributes:
        sizes: bytes of each file at its last fsync, by inode; a file not in it was never flushed.
        folders: entries (name -> inode) of each folder at its last fsync, by inode.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.sizes: dict[int, int] = {}
        self.folders: dict[int, dict[str, int]] = {}
        self.stash = root.with_name(f"{root.name}.stash-{os.getpid()}")
        self._numbers = itertools.count()
        for folder, _, files in os.walk(root):
            self.folders[os.stat(folder).st_ino] = _entries(folder)
            for file in files:
                found = os.lstat(os.path.join(folder, file))
                self.sizes[found.st_ino] = found.st_size

    def before(self, name: str, path: str) -> None:
        """Keep a file that a call is about to take out of its folder: the folder may not be flushed in time."""
        if name in _REPLACING and os.path.isfile(path):
            self.stash.mkdir(exist_ok=True)
            os.link(path, self.stash / str(next(self._numbers)))
        elif name == "rmdir":
            # its inode may soon be another file's
            self.folders.pop(os.stat(path).st_ino, None)

    def after(self, name: str, path: str) -> None:
        """Note what a call made durable."""
        if name == "mkdir":
            self.folders[os.stat(path).st_ino] = {}
        elif name == "fsync":
            found = os.stat(path)
            if os.path.isdir(path):
                self.folders[found.st_ino] = _entries(path)
            else:
                self.sizes[found.st_ino] = found.st_size

    def lose_what_was_not_flushed(self) -> None:
        """Put the tree into the state a power cut would leave."""
        lost, kept = (self.root.with_name(f"{self.root.name}.{word}") for word in ("lost", "kept"))
        files = {
            os.lstat(os.path.join(folder, name)).st_ino: os.path.join(folder, name)
            for place in (self.stash, self.root)
            for folder, _, names in os.walk(place)
            for name in names
        }
        self._rebuild(os.stat(self.root).st_ino, kept, files)
        os.rename(self.root, lost)
        os.rename(kept, self.root)
        shutil.rmtree(lost)
        shutil.rmtree(self.stash, ignore_errors=True)

    def _rebuild(self, folder: int, target: Path, files: dict[int, str]) -> None:
        target.mkdir()
        for name, inode in self.folders[folder].items():
            if inode in self.folders:
                self._rebuild(inode, target / name, files)
            elif inode in files:
                os.link(files[inode], target / name)
                if os.path.getsize(target / name) > self.sizes.get(inode, 0):
                    os.truncate(target / name, self.sizes.get(inode, 0))


def _entries(folder: str) -> dict[str, int]:
    return {entry.name: entry.inode() for entry in os.scandir(folder)}
