"""The lines of a file as bytes, one at a time, decompressed on the way; a line has a longest length.

Covered by the standard library: gzip, bzip2, xz; zstd from Python 3.14 on, before that where ``backports.zstd`` is
installed. Not covered: archives of several files.
"""

from __future__ import annotations

import codecs
import lzma
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import IO, Any

from env.files import refuse_device_or_pipe
from env.refusal import Refusal

# Ten times the longest row of the public sets; a file without line ends is not read into memory whole.
LONGEST_LINE_BYTES = 16 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_ZSTD_MODULES = ("compression.zstd", "backports.zstd")


@dataclass(frozen=True, slots=True)
class RawLine:
    """One line without its end, ``number`` from 1; ``wrong`` says why its bytes were not kept."""

    number: int
    data: bytes
    wrong: str = ""


@dataclass(frozen=True, slots=True)
class Compression:
    """A compression: its name, the bytes that its files begin with, and the modules that may open one."""

    name: str
    magic: bytes
    modules: tuple[str, ...]


COMPRESSIONS = (
    Compression("gzip", b"\x1f\x8b", ("gzip",)),
    Compression("bzip2", b"BZh", ("bz2",)),
    Compression("xz", b"\xfd7zXZ\x00", ("lzma",)),
    Compression("zstd", b"\x28\xb5\x2f\xfd", ("compression.zstd", "backports.zstd")),
)


def compression_of(path: Path) -> Compression | None:
    """Return how a file is compressed, by the bytes it begins with; None where it is not.

    Raises:
        Refusal: there is no such file, it is a pipe or cannot be read, or it is an archive of several files.
    """
    head = beginning(path)
    if head.startswith(b"PK\x03\x04"):
        raise Refusal(f"{path}: is an archive, not a file of rows.", "Unpack it, and name the file or the folder.")
    return next((one for one in COMPRESSIONS if head.startswith(one.magic)), None)


def beginning(path: Path) -> bytes:
    """Return the first 512 bytes as they are stored. Raises Refusal as ``compression_of``."""
    refuse_device_or_pipe(path)
    try:
        with path.open("rb") as stream:
            return stream.read(512)
    except FileNotFoundError:
        raise Refusal(f"{path}: no such file.", "Set the dataset's path to a JSON-lines file.") from None
    except OSError as error:
        raise Refusal(f"{path}: cannot be read ({error.strerror}).", "Set the dataset's path to a file.") from None


def byte_lines(path: Path) -> Iterator[RawLine]:
    """Yield every line of ``path``, the blank ones too. A byte-order mark is left out.

    Raises:
        Refusal: as ``compression_of``; it is UTF-16; or its compressed data ends too early or is damaged.
    """
    compression = compression_of(path)
    number = 0
    try:
        with path.open("rb") if compression is None else _opened(path, compression) as stream:
            for number, line in enumerate(_bounded(stream), start=1):
                yield _first(path, line) if number == 1 else RawLine(number, line.data, line.wrong)
    except _damages() as error:
        if compression is None:
            raise Refusal(f"{path}: cannot be read ({error}).", "Set the dataset's path to a file.") from None
        raise damaged(path, compression, number, error) from None


def damaged(path: Path, compression: Compression, lines: int, error: BaseException) -> Refusal:
    """Return the refusal of compressed data that broke off or is wrong after ``lines`` lines."""
    torn = isinstance(error, EOFError)
    what = "ends in the middle" if torn else f"is damaged ({error})"
    fix = "Copy or download it again" + (": it is incomplete." if torn else ".")
    return Refusal(f"{path}: its {compression.name} data {what}, after line {lines}.", fix)


def _opened(path: Path, compression: Compression) -> IO[bytes]:
    for module in _installed(compression):
        opened: IO[bytes] = module.open(path, "rb")
        return opened
    raise Refusal(
        f"{path}: is compressed by {compression.name}, which this Python does not read.",
        f'`pip install "luagate[data]"`, or unpack the file: {compression.name} -d.',
    )


def _installed(compression: Compression) -> Iterator[Any]:
    for name in compression.modules:
        with suppress(ModuleNotFoundError):
            yield import_module(name)


def _damages() -> tuple[type[BaseException], ...]:
    """Return what reading damaged compressed data raises."""
    own = [module.ZstdError for module in _installed(COMPRESSIONS[-1])]
    return (EOFError, OSError, zlib.error, lzma.LZMAError, *own)


def _first(path: Path, line: RawLine) -> RawLine:
    if line.data.startswith(_UTF16):
        raise Refusal(f"{path}: is UTF-16, not UTF-8.", "Save it as UTF-8.")
    return RawLine(1, line.data.removeprefix(_BOM), line.wrong)


def _bounded(stream: IO[bytes]) -> Iterator[RawLine]:
    """Yield lines; of one that is too long the rest is read past, and nothing of it kept."""
    while data := stream.readline(LONGEST_LINE_BYTES + 1):
        if len(data) <= LONGEST_LINE_BYTES or data.endswith(b"\n"):
            yield RawLine(0, data.removesuffix(b"\n"))
            continue
        size = len(data)
        while not data.endswith(b"\n") and (data := stream.readline(LONGEST_LINE_BYTES)):
            size += len(data)
        limit, mb = LONGEST_LINE_BYTES // 1024**2, 1024**2
        yield RawLine(0, b"", f"a line of {size / mb:,.0f} MB; at most {limit} MB are read")
