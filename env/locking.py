"""The run lock: at most one advancing process per run, free only when its supervisor and worker are both dead.

The lock is an flock on the open file and on its folder, not the file's existence: the kernel releases both however
their holders die, and deleting the file, or renaming the folder, frees nothing. What the file says about the holder is
information only; it decides nothing. Not covered: file systems without working flock (some NFS mounts), where
``acquire`` refuses rather than guesses, and those that lock files but no folders, where a deleted lock file is a free
lock.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import getpass
import json
import os
import pwd
import socket
import stat
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from env.files import make_folder, write_refusal
from env.refusal import Refusal

_BUSY = frozenset({errno.EAGAIN, errno.EACCES})
# NFS emulates flock by byte-range locks, which need a file open for writing; a folder cannot be opened so.
_NO_FOLDER_LOCK = frozenset({errno.EBADF, errno.EINVAL, errno.EISDIR, errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS})


@dataclass(frozen=True, slots=True)
class Holder:
    """Who wrote the lock file last; every field is "" or 0 when the file does not say.

    Attributes:
        process_start: when the process started, in the kernel's own terms; distinguishes a reused pid from the holder.
        since: when the lock was taken, ISO 8601 UTC.
    """

    pid: int = 0
    process_start: str = ""
    host: str = ""
    user: str = ""
    command: str = ""
    since: str = ""

    @property
    def liveness(self) -> Literal["alive", "dead", "elsewhere", "unknown"]:
        """Whether that process still runs: "dead" also when its pid is another process now.

        If the lock is held while its writer is dead, its holder is the worker that survived.
        """
        if not self.pid:
            return "unknown"
        if self.host != socket.gethostname():
            return "elsewhere"
        started = process_start(self.pid)
        return "alive" if started and started == self.process_start else "dead"

    def __str__(self) -> str:
        if not self.pid:
            return "an unknown process"
        gone = " (gone; its worker still holds the lock)" if self.liveness == "dead" else ""
        since = f", since {self.since}" if self.since else ""
        return f"pid {self.pid}{gone} on {self.host}, user {self.user}{since}: {self.command}"


class LockHeld(Exception):
    """Another process holds the run lock; ``holder`` says which."""

    def __init__(self, path: Path, holder: Holder) -> None:
        super().__init__(f"{path} is locked by {holder}")
        self.path = path
        self.holder = holder


class RunLock:
    """The lock of one run, as a context manager. ``descriptors`` go to the worker by ``pass_fds``.

    A child that inherits them shares the lock: it stays held until the last of them has closed them or died.
    ``pass_fds`` leaves them inheritable there; ``os.set_inheritable(fd, False)`` keeps them from its own children.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptors: tuple[int, ...] = ()

    @property
    def descriptors(self) -> tuple[int, ...]:
        """The locked file descriptors: the folder's, the file's. Raises RuntimeError when the lock is not held."""
        if not self._descriptors:
            raise RuntimeError(f"{self.path}: lock not held")
        return self._descriptors

    def acquire(self) -> RunLock:
        """Take the lock at once or raise LockHeld; never waits. Raises Refusal where the file cannot be locked."""
        if self._descriptors:
            raise RuntimeError(f"{self.path}: lock already held by this object")
        make_folder(self.path.parent)
        taken: list[int] = []
        try:
            taken.append(_open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY))
            if not _flock_soon(taken[0], self.path.parent):
                raise LockHeld(self.path, _holder_in(self.path, taken[0]))
            taken.append(_locked_file(self.path))
            _write_holder(taken[1], current_holder(), self.path)
        except BaseException:
            for descriptor in taken:
                os.close(descriptor)
            raise
        self._descriptors = tuple(taken)
        return self

    def moved_to(self) -> str | None:
        """Return where the locked folder is now, when its path no longer leads to it; None while it does.

        A deleted folder, or a system that cannot say, gives "".
        """
        folder = self.descriptors[0]
        try:
            if os.path.samestat(os.stat(self.path.parent), os.fstat(folder)):
                return None
        except FileNotFoundError:
            pass
        try:
            now = os.readlink(f"/proc/self/fd/{folder}")
        except OSError:
            return ""
        return now if os.path.isdir(now) else ""

    def release(self) -> None:
        """Close our share of the lock; a child that inherited it keeps its own. Safe to call twice."""
        # no LOCK_UN: it would take the lock away from the child that shares it
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors = ()

    def __enter__(self) -> RunLock:
        return self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def holder(path: Path) -> Holder | None:
    """Return who holds the lock at ``path``, or None when it is free or was never taken. Changes nothing."""
    for place in (path.parent, path):
        try:
            descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, PermissionError):
            continue
        try:
            if not _try_flock(descriptor, fcntl.LOCK_SH, place):
                return _holder_in(path, descriptor)
        finally:
            os.close(descriptor)
    return None


def current_holder() -> Holder:
    """Return this process as a lock holder."""
    pid = os.getpid()
    return Holder(
        pid=pid,
        process_start=process_start(pid),
        host=socket.gethostname(),
        user=_user(),
        command=" ".join(sys.argv)[:300],
        since=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def process_start(pid: int) -> str:
    """Return when process ``pid`` started ("boot id:clock ticks" on Linux, else a date); "" when there is none.

    A zombie is dead: it holds nothing any more.
    """
    proc = Path("/proc")
    if not (proc / "self" / "stat").exists():
        return _process_start_by_ps(pid)
    try:
        stat = (proc / str(pid) / "stat").read_text()
        boot = (proc / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
    # the command in parentheses may hold spaces and parentheses: fields are counted after the last ")"
    numbers = stat.rpartition(")")[2].split()
    return "" if numbers[0] in "ZX" else f"{boot}:{numbers[19]}"


def _open(path: Path, flags: int) -> int:
    try:
        return os.open(path, flags | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise write_refusal(error, path, 0) from error


def _locked_file(path: Path) -> int:
    """Return the lock file's descriptor, locked; taken again when the file was deleted between opening and locking."""
    while True:
        descriptor = _open(path, os.O_RDWR | os.O_CREAT)
        try:
            if not _flock_soon(descriptor, path):
                raise LockHeld(path, _read_holder(descriptor))
            if path.exists() and os.path.samestat(os.stat(path), os.fstat(descriptor)):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _flock_soon(descriptor: int, path: Path) -> bool:
    """Try for the exclusive lock for 0.1 s, so that a ``holder`` probe at that instant is not mistaken for a holder."""
    for attempt in range(11):
        if attempt:
            time.sleep(0.01)
        if _try_flock(descriptor, fcntl.LOCK_EX, path):
            return True
    return False


def _try_flock(descriptor: int, kind: int, path: Path) -> bool:
    """Return whether the lock was free; a folder that cannot be locked counts as free, its file then decides."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _BUSY:
            return False
        if error.errno in _NO_FOLDER_LOCK and stat.S_ISDIR(os.fstat(descriptor).st_mode):
            return True
        raise Refusal(
            f"{path}: its file system cannot lock files ({os.strerror(error.errno or 0)}).",
            "Keep results on a local disk, or on a mount with flock support.",
        ) from error
    return True


def _write_holder(descriptor: int, who: Holder, path: Path) -> None:
    data = (json.dumps(asdict(who)) + "\n").encode("utf-8")
    try:
        # cut after writing: a reader of that instant finds a complete first line, not an empty file
        os.pwrite(descriptor, data, 0)
        os.ftruncate(descriptor, len(data))
        os.fsync(descriptor)
    except OSError as error:
        raise write_refusal(error, path, len(data)) from error


def _holder_in(path: Path, descriptor: int) -> Holder:
    """Return what the lock file says; where it was deleted, what the kernel says about the lock on ``descriptor``."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return _holder_by_kernel(descriptor)
    try:
        return _read_holder(file)
    finally:
        os.close(file)


def _read_holder(descriptor: int) -> Holder:
    """Return what the lock file says; an empty Holder when it is not readable (being written, or damaged)."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        data: Any = json.loads(os.pread(descriptor, 4096, 0).partition(b"\n")[0].decode("utf-8"))
        if isinstance(data, dict):
            texts = {f.name: str(data.get(f.name, "")) for f in fields(Holder) if f.name != "pid"}
            return Holder(pid=int(data.get("pid", 0)), **texts)
    return Holder()


def _holder_by_kernel(descriptor: int) -> Holder:
    """Return the process that /proc/locks lists with this lock (Linux); an empty Holder where that is unknown."""
    place = os.fstat(descriptor)
    wanted = f"{os.major(place.st_dev):02x}:{os.minor(place.st_dev):02x}:{place.st_ino}"
    try:
        lines = Path("/proc/locks").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return Holder()
    for words in (line.split() for line in lines):
        # "12: FLOCK  ADVISORY  WRITE 4711 fe:00:123456 0 EOF"; one that only waits has "->" as second word
        if len(words) > 5 and words[1] == "FLOCK" and words[5] == wanted and words[4].isdigit():
            return _process_holder(int(words[4]))
    return Holder()


def _process_holder(pid: int) -> Holder:
    proc = Path("/proc") / str(pid)
    try:
        command = proc.joinpath("cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
        user = pwd.getpwuid(proc.stat().st_uid).pw_name
    except (OSError, KeyError):
        return Holder()
    return Holder(pid, process_start(pid), socket.gethostname(), user, command[:300])


def _process_start_by_ps(pid: int) -> str:
    try:
        return subprocess.run(
            ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, timeout=5, check=False
        ).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
