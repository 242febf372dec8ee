"""The run lock: at most one advancing process per run, free only when its supervisor and its worker are both dead.

The lock is an flock on the open file, not the file's existence: the kernel frees it however its holders die. What the
file says about the holder is for people; it decides nothing. Not covered: file systems without working flock (some
NFS mounts), where ``acquire`` refuses rather than guesses.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import getpass
import json
import os
import socket
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


@dataclass(frozen=True, slots=True)
class Holder:
    """Who wrote the lock file last; every field is "" or 0 when the file does not tell.

    Attributes:
        process_start: when the process started, in the kernel's own terms; tells a reused pid from the holder.
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

        A lock that is held while its writer is dead is held by the worker that outlived it.
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
        state = {"dead": " (gone; its worker still holds the lock)", "elsewhere": f" on {self.host}"}
        return f"pid {self.pid}{state.get(self.liveness, '')}, user {self.user}, since {self.since}: {self.command}"


class LockHeld(Exception):
    """Another process holds the run lock; ``holder`` says which."""

    def __init__(self, path: Path, holder: Holder) -> None:
        super().__init__(f"{path} is held by {holder}")
        self.path = path
        self.holder = holder


class RunLock:
    """The lock of one run, as a context manager. ``descriptor`` goes to the worker by ``pass_fds``.

    A child that inherits ``descriptor`` shares the lock: it stays held until the last of them has closed it or died.
    ``pass_fds`` leaves it inheritable there; ``os.set_inheritable(fd, False)`` keeps it from the child's own children.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    @property
    def descriptor(self) -> int:
        """The locked file descriptor. Raises RuntimeError when the lock is not held."""
        if self._descriptor is None:
            raise RuntimeError(f"{self.path}: lock not held")
        return self._descriptor

    def acquire(self) -> RunLock:
        """Take the lock at once or raise LockHeld; never waits. Raises Refusal where the file cannot be locked."""
        if self._descriptor is not None:
            raise RuntimeError(f"{self.path}: lock already held by this object")
        make_folder(self.path.parent)
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise write_refusal(error, self.path, 0) from error
        try:
            if not _flock_soon(descriptor, self.path):
                raise LockHeld(self.path, _read_holder(descriptor))
            _write_holder(descriptor, current_holder(), self.path)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        return self

    def release(self) -> None:
        """Close our share of the lock; a child that inherited it keeps its own. Safe to call twice."""
        if self._descriptor is not None:
            # no LOCK_UN: it would take the lock away from the child that shares it
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> RunLock:
        return self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def holder(path: Path) -> Holder | None:
    """Return who holds the lock at ``path``, or None when it is free or was never taken. Changes nothing."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        if _try_flock(descriptor, fcntl.LOCK_SH, path):
            return None
        return _read_holder(descriptor)
    finally:
        os.close(descriptor)


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


def _flock_soon(descriptor: int, path: Path) -> bool:
    """Try for the exclusive lock for 0.1 s, so that a ``holder`` probe of that instant does not pass for a holder."""
    for attempt in range(11):
        if attempt:
            time.sleep(0.01)
        if _try_flock(descriptor, fcntl.LOCK_EX, path):
            return True
    return False


def _try_flock(descriptor: int, kind: int, path: Path) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _BUSY:
            return False
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


def _read_holder(descriptor: int) -> Holder:
    """Return what the lock file says; an empty Holder when it is not readable (being written, or damaged)."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        data: Any = json.loads(os.pread(descriptor, 4096, 0).partition(b"\n")[0].decode("utf-8"))
        if isinstance(data, dict):
            texts = {f.name: str(data.get(f.name, "")) for f in fields(Holder) if f.name != "pid"}
            return Holder(pid=int(data.get("pid", 0)), **texts)
    return Holder()


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
