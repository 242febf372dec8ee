"""The files of a folder or an archive in the order of their names, read without unpacking anything.

What could leave the folder is named and not read: links, ``..`` and absolute paths, devices.
"""

from __future__ import annotations

import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, TypeVar

from env.refusal import Refusal

Member = TypeVar("Member")
# A file of code or text that is larger is generated; an archive may claim anything.
MAX_BYTES = 2_000_000
MAX_FILES = 100_000
_PACKED = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".txz", ".deb")
_AR_MAGIC, _AR_HEADER = b"!<arch>\n", 60
_UNREADABLE = (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, NotImplementedError,
               RuntimeError, ValueError)  # fmt: skip


@dataclass(frozen=True, slots=True)
class TreeFile:
    """One file: its path with slashes, below the folder or inside the archive, and its bytes."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class NotRead:
    """A member that was not read, and why."""

    name: str
    why: str


def is_archive(path: Path) -> bool:
    """Whether a file's name says that it is an archive that is read here."""
    return path.name.lower().endswith(_PACKED)


def read_tree(path: Path) -> Iterator[TreeFile | NotRead]:
    """Yield the files of a folder, of the archives in it ("mod.zip!/init.lua"), or of one archive.

    Raises:
        Refusal: the archive is torn or damaged, or holds more than 100,000 files.
    """
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            name = file.relative_to(path).as_posix()
            if file.is_symlink():
                yield NotRead(name, "a link")
            elif file.is_file() and is_archive(file):
                yield from (_inside(name, member) for member in _archive(file))
            elif file.is_file():
                yield _bounded(name, file.stat().st_size, partial(io.FileIO, file))
    elif is_archive(path):
        yield from _archive(path)
    elif path.is_file():
        yield _bounded(path.name, path.stat().st_size, partial(io.FileIO, path))
    else:
        raise Refusal(f"There is no {path}.", "Name a folder, a file or an archive.")


def _inside(archive: str, member: TreeFile | NotRead) -> TreeFile | NotRead:
    name = f"{archive}!/{member.name}"
    return TreeFile(name, member.data) if isinstance(member, TreeFile) else NotRead(name, member.why)


def _archive(path: Path) -> Iterator[TreeFile | NotRead]:
    reader = _zip if path.name.lower().endswith(".zip") else _deb if path.name.lower().endswith(".deb") else _tar
    try:
        found = sorted(reader(path), key=lambda member: member.name)
    except _UNREADABLE as error:
        raise Refusal(f"{path}: the archive cannot be read ({error}).", "Fetch it again, or take it out.") from None
    yield from found


def _zip(path: Path) -> Iterator[TreeFile | NotRead]:
    with zipfile.ZipFile(path) as archive:
        for member in _counted(path, archive.infolist()):
            is_link = (member.external_attr >> 16) & 0o170000 == 0o120000
            if is_link or (why := _fault(member.filename)):
                yield NotRead(member.filename, "a link" if is_link else why)
            elif not member.is_dir():
                yield _bounded(member.filename, member.file_size, partial(archive.open, member))


def _tar(path: Path) -> Iterator[TreeFile | NotRead]:
    with tarfile.open(path) as archive:
        yield from _members(path, archive)


def _deb(path: Path) -> Iterator[TreeFile | NotRead]:
    """Yield the files of a Debian package: the member ``data.tar.*`` of an ``ar`` archive (man 5 deb)."""
    with tarfile.open(fileobj=io.BytesIO(_data_of(path))) as archive:
        yield from _members(path, archive)


def _data_of(path: Path) -> bytes:
    with path.open("rb") as stream:
        if stream.read(len(_AR_MAGIC)) != _AR_MAGIC:
            raise ValueError("it is no package")
        while header := stream.read(_AR_HEADER):
            size = int(header[48:58])
            if header[:16].strip().rstrip(b"/").startswith(b"data.tar"):
                return stream.read(size)
            stream.seek(size + size % 2, io.SEEK_CUR)
    raise ValueError("it holds no data.tar")


def _members(path: Path, archive: tarfile.TarFile) -> Iterator[TreeFile | NotRead]:
    for member in _counted(path, archive):
        name = member.name.removeprefix("./")
        why = "a link" if member.issym() or member.islnk() else _fault(name)
        if why:
            yield NotRead(name, why)
        elif member.isfile():
            yield _bounded(name, member.size, partial(archive.extractfile, member))
        elif not member.isdir():
            yield NotRead(name, "a device or a pipe")


def _counted(path: Path, members: Iterable[Member]) -> Iterator[Member]:
    for number, member in enumerate(members, start=1):
        if number > MAX_FILES:
            raise Refusal(f"{path}: holds more than {MAX_FILES:,} files.", "Give the part of it that holds code.")
        yield member


def _fault(name: str) -> str:
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if ".." in parts:
        return "its path holds .."
    return "its path is absolute" if name.startswith(("/", "\\")) or ":" in name[:2] else ""


def _bounded(name: str, size: int, opened: Callable[[], IO[bytes] | io.FileIO | None]) -> TreeFile | NotRead:
    if size > MAX_BYTES:
        return NotRead(name, f"{size:,} bytes; at most {MAX_BYTES:,} are read")
    stream = opened()
    if stream is None:
        return NotRead(name, "no file")
    with stream:
        data = stream.read(MAX_BYTES + 1)
    return TreeFile(name, data) if len(data) <= MAX_BYTES else NotRead(name, f"more than {MAX_BYTES:,} bytes")
