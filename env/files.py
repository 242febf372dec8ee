"""Durable files: once these functions return, the write survives a power cut; a reader never sees half of it.

Not covered: two processes appending to one file at once (the run lock prevents that), disks that report false flushes.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import itertools
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from env.refusal import Refusal
from env.space import DiskFull

_BLOCK_BYTES = 65536
_TEMP_NUMBERS = itertools.count()
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_DENIED = frozenset({errno.EACCES, errno.EPERM})
_NO_FOLDER_SYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EBADF})


def write_atomic(path: Path, content: str | bytes) -> None:
    """Replace ``path`` by ``content`` (text as UTF-8): a crash leaves the old file or the new one, never a mixture.

    Missing parent folders are created. Raises Refusal when the disk is full, read-only or not writable for this user,
    or ``path`` is a device.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    make_folder(path.parent)
    if is_device_or_pipe(path):
        raise Refusal(f"{path} is a device or a pipe, and is not replaced by a file.", "Name another file.")
    temp = path.with_name(f".{path.name}.{os.getpid()}-{next(_TEMP_NUMBERS)}.tmp")
    try:
        try:
            _write_new(temp, data)
            os.replace(temp, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temp)
            raise
        sync_folder(path.parent)
    except OSError as error:
        raise write_refusal(error, path, len(data)) from error


def is_device_or_pipe(path: Path) -> bool:
    """Whether ``path`` is there and neither a file nor a folder: reading it may wait for ever, or never end."""
    return os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path))


def refuse_device_or_pipe(path: Path, key: str = "") -> None:
    """Raise Refusal where ``path``, typed as ``key``, is a device or a pipe: its bytes cannot be read twice."""
    if is_device_or_pipe(path):
        named = f"{key}: {path}" if key else str(path)
        raise Refusal(f"{named} is a device or a pipe, not a file.", "Write what it gives into a file, and name that.")


def append_lines(path: Path, lines: Sequence[str]) -> int:
    """Append ``lines`` durably in one write, each ended by a newline; return the size of a torn last line it removed.

    A last line without its newline is what a power cut left of an earlier append; it is truncated away first. When
    the write itself fails, the file is cut back to its complete lines. Missing parent folders are created.

    Raises:
        Refusal: the disk is full, read-only or not writable for this user.
        ValueError: a line holds a newline.
    """
    if any("\n" in line for line in lines):
        raise ValueError("append_lines: a line holds a newline")
    data = "".join(f"{line}\n" for line in lines).encode("utf-8")
    make_folder(path.parent)
    try:
        is_new = not path.exists()
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        try:
            cut_bytes = _cut_torn_line(descriptor)
            _append(descriptor, data)
        finally:
            os.close(descriptor)
        if is_new:
            sync_folder(path.parent)
    except OSError as error:
        raise write_refusal(error, path, len(data)) from error
    return cut_bytes


def read_lines(path: Path) -> list[str]:
    """Return the complete lines of ``path`` without newlines; a torn last line is dropped; a missing file has no lines.

    Raises Refusal when the file cannot be read or a complete line is not UTF-8.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _read_refusal(error, path) from error
    whole = data[: data.rfind(b"\n") + 1]
    # split, not splitlines: JSON leaves U+2028 and friends unescaped inside a line
    return [_decode(line, path, number) for number, line in enumerate(whole.split(b"\n")[:-1], start=1)]


def sha256_file(path: Path) -> str:
    """Return the hex SHA-256 of the file's bytes. Raises Refusal when it cannot be read."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise _read_refusal(error, path) from error


def digest(data: Any) -> str:
    """Return the hex SHA-256 of ``data`` as canonical JSON (sorted keys, no spaces, ASCII).

    Tuples count as lists. Raises ValueError for NaN and infinities, TypeError for keys that are not text or for values
    that JSON lacks, since two different inputs must never share a digest.
    """
    _require_text_keys(data)
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def make_folder(path: Path) -> None:
    """Create ``path`` and its missing parents durably. Raises Refusal when that is not possible."""
    missing = list(itertools.takewhile(lambda folder: not folder.is_dir(), (path, *path.parents)))
    try:
        for folder in reversed(missing):
            folder.mkdir(exist_ok=True)
            sync_folder(folder.parent)
    except OSError as error:
        raise write_refusal(error, path, 0) from error


@contextlib.contextmanager
def refusing(path: Path, needed_bytes: int = 0) -> Iterator[None]:
    """Turn an OSError of the block into the Refusal that names ``path``, where it can be explained."""
    try:
        yield
    except OSError as error:
        raise write_refusal(error, path, needed_bytes) from error


def move(source: Path, target: Path) -> None:
    """Rename ``source`` to ``target`` durably; its missing parents are created. Raises Refusal as ``write_atomic``."""
    make_folder(target.parent)
    with refusing(target):
        os.rename(source, target)
        sync_folder(target.parent)
        if source.parent != target.parent:
            sync_folder(source.parent)


def remove_leftovers(folder: Path) -> list[str]:
    """Delete the temporary files a killed ``write_atomic`` left directly in ``folder``; return their names.

    One that cannot be deleted stays; it does no harm.
    """
    names = []
    for temp in sorted(folder.glob(".*.tmp")):
        with contextlib.suppress(OSError):
            temp.unlink()
            names.append(temp.name)
    return names


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to the disk, where the file system can (some network file systems cannot)."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(descriptor)


def write_refusal(error: OSError, path: Path, needed_bytes: int) -> Refusal | OSError:
    """Return the refusal that explains why ``path`` could not be written; an unexplained error is returned as is.

    ``needed_bytes`` is what was about to be written; 0 when unknown.
    """
    if error.errno in _NO_SPACE:
        return DiskFull(path, needed_bytes)
    folder = path if path.is_dir() else path.parent
    if error.errno in _DENIED:
        return Refusal(f"{path}: not allowed to write there.", f"Make {folder} writable for this user.")
    if error.errno == errno.EROFS:
        return Refusal(f"{path}: its file system is read-only.", "Remount it for writing, or keep results elsewhere.")
    if error.errno in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR):
        return Refusal(f"{path}: there is a file where a folder should be, or the reverse.", "Move it away.")
    return error


def _write_new(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        _flush(descriptor)
    finally:
        os.close(descriptor)


def _append(descriptor: int, data: bytes) -> None:
    """Write all of ``data`` or nothing: a short write is cut off again and reported as a full disk."""
    if not data:
        return
    size_before = os.fstat(descriptor).st_size
    try:
        if os.write(descriptor, data) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        _flush(descriptor)
    except OSError:
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, size_before)
        raise


def _cut_torn_line(descriptor: int) -> int:
    """Truncate what follows the last newline; return how many bytes that were."""
    size = os.fstat(descriptor).st_size
    end = size
    while end > 0:
        start = max(0, end - _BLOCK_BYTES)
        newline = os.pread(descriptor, end - start, start).rfind(b"\n")
        if newline >= 0:
            end = start + newline + 1
            break
        end = start
    if end < size:
        os.ftruncate(descriptor, end)
        _flush(descriptor)
    return size - end


def _flush(descriptor: int) -> None:
    # macOS: fsync leaves data in the drive's cache, F_FULLFSYNC does not
    full_sync = getattr(fcntl, "F_FULLFSYNC", None)
    if full_sync is not None:
        with contextlib.suppress(OSError):
            fcntl.fcntl(descriptor, full_sync)
            return
    os.fsync(descriptor)


def _decode(line: bytes, path: Path, number: int) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        sentence = f"{path}:{number}: not UTF-8 at byte {error.start}: the file is damaged."
        raise Refusal(sentence, "Restore it, or remove that line.") from None


def _read_refusal(error: OSError, path: Path) -> Refusal | OSError:
    if error.errno == errno.ENOENT:
        return Refusal(f"{path}: no such file.")
    if error.errno in _DENIED:
        return Refusal(f"{path}: not allowed to read it.", "Make it readable for this user.")
    if error.errno == errno.EISDIR:
        return Refusal(f"{path}: is a folder, not a file.")
    return error


def _require_text_keys(data: Any) -> None:
    if isinstance(data, dict):
        for key, value in data.items():
            if not isinstance(key, str):
                raise TypeError(f"digest: key {key!r} is not text")
            _require_text_keys(value)
    elif isinstance(data, list | tuple):
        for value in data:
            _require_text_keys(value)
