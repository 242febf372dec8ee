"""Writing a program into a folder of the user's: never outside it, never over a file without a copy of it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from env.files import is_device_or_pipe, make_folder, refusing, write_atomic
from env.refusal import Refusal

_SUFFIXES = (".lua", ".luau")
_MAIN = "init.lua"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a program goes, and what stands there now ("" nothing)."""

    file: Path
    before: str


def place_in(into: Path, is_mod: bool) -> Place:
    """Return the file that ``--into`` means: itself, or of a mod's folder without a program its ``init.lua``.

    Raises:
        Refusal: a folder does not say which file, or the path is no place for a program.
    """
    file = into / _MAIN if into.is_dir() and is_mod and not (into / _MAIN).exists() else into
    if into.is_dir() and file == into:
        raise Refusal(f"{into} is a folder: which of its files is meant?", f"Name the file: --into {into / 'NAME.lua'}")
    if file.suffix not in _SUFFIXES:
        raise Refusal(f"{file} does not end in {' or '.join(_SUFFIXES)}.", "Name a Lua or Luau file.")
    if file.is_symlink() or is_device_or_pipe(file) or not file.parent.is_dir():
        raise Refusal(f"{file} is a link or a device, or lies in no folder.", "Name a file in a folder that exists.")
    try:
        return Place(file, file.read_text(encoding="utf-8") if file.exists() else "")
    except UnicodeDecodeError:
        raise Refusal(f"{file} is no UTF-8.", "Save it as UTF-8, or name another file.") from None


def insert(place: Place, code: str) -> Path | None:
    """Write the program; return the copy of what stood there, None where nothing did.

    Raises:
        Refusal: the file was changed since ``place`` was read, or cannot be written.
    """
    with refusing(place.file):
        there = place.file.read_text(encoding="utf-8") if place.file.exists() else ""
    if there != place.before:
        raise Refusal(f"{place.file} was changed in the meantime.", "Ask again: nothing was written.")
    copy = None
    if place.file.exists():
        copy = next(one for n in count(1) if not (one := place.file.with_name(f"{place.file.name}.{n}.bak")).exists())
        with refusing(copy):
            shutil.copy2(place.file, copy)
    make_folder(place.file.parent)
    write_atomic(place.file, code if code.endswith("\n") else f"{code}\n")
    return copy
