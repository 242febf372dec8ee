"""Limits a child puts on itself before it runs anything: resources, parent death, network."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys

STACK_BYTES = 256 << 20  # with less, two one-line programs overflow LuaJIT's C stack (deep gsub, deep parse)
PYTHON_BYTES = 512 << 20  # address space of the interpreter, its libraries and malloc arenas
CHILD_CPU_S = 600  # lifetime of one child; the per-program limit is the timer in child.py

PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000


def limit_resources(memory_mb: int) -> None:
    """Bound address space, CPU, written bytes, open files, processes and core dumps of this process."""
    if sys.platform == "linux":  # elsewhere only the Lua heap is bounded: macOS refuses this limit
        address_space = STACK_BYTES + PYTHON_BYTES + 2 * (memory_mb << 20)
        resource.setrlimit(resource.RLIMIT_AS, (address_space, address_space))
    resource.setrlimit(resource.RLIMIT_CPU, (CHILD_CPU_S, CHILD_CPU_S + 5))
    for name, value in (("RLIMIT_FSIZE", 0), ("RLIMIT_CORE", 0), ("RLIMIT_NOFILE", 16)):
        resource.setrlimit(getattr(resource, name), (value, value))


def forbid_processes() -> None:
    """Forbid this user further processes and threads (no effect for root: RLIMIT_NPROC exempts it)."""
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))


def die_with_parent(parent_pid: int) -> None:
    """Have the kernel kill this process when its parent's thread dies; exit at once if that already happened.

    ``parent_pid`` 0 skips the second half (inside a process namespace the parent cannot be seen).
    """
    if sys.platform != "linux":
        return
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if parent_pid and os.getppid() != parent_pid:
        os._exit(0)


def forbid_new_privileges() -> bool:
    """Make setuid programs powerless for this process; whether it worked (a condition of seccomp)."""
    return sys.platform == "linux" and _prctl(PR_SET_NO_NEW_PRIVS, 1)


def leave_network() -> bool:
    """Move this process into its own network namespace, which has no interface up; whether it worked.

    Must run while the process has one thread (a condition of user namespaces).
    """
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.unshare(CLONE_NEWNET) == 0 or libc.unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0)


def _prctl(option: int, value: int) -> bool:
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) == 0)
