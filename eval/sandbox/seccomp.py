"""A system call filter for the child: what LuaJIT and a running interpreter need, everything else refused.

An allow-list in classic BPF (Linux Documentation/userspace-api/seccomp_filter.rst). A call outside the list fails
with EPERM, so no file is opened, no process started, no socket made and no signal sent from then on.
Not covered: timing side channels, and kernels without seccomp (then ``install`` says so).
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
import sys
from collections.abc import Mapping
from types import MappingProxyType

# name: (x86_64, aarch64); numbers from the kernel's syscall tables (arch/x86/entry/syscalls/syscall_64.tbl and
# include/uapi/asm-generic/unistd.h).
ALLOWED: dict[str, tuple[int, int]] = {
    "read": (0, 63), "write": (1, 64), "close": (3, 57), "lseek": (8, 62), "fstat": (5, 80),
    "mmap": (9, 222), "mprotect": (10, 226), "munmap": (11, 215), "mremap": (25, 216), "madvise": (28, 233),
    "brk": (12, 214), "futex": (202, 98), "sched_yield": (24, 124), "set_robust_list": (273, 99), "rseq": (334, 293),
    "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "sigaltstack": (131, 132),
    "setitimer": (38, 103), "getrusage": (98, 165), "times": (100, 153), "restart_syscall": (219, 128),
    "clock_gettime": (228, 113), "clock_nanosleep": (230, 115), "gettimeofday": (96, 169), "getrandom": (318, 278),
    "getpid": (39, 172), "gettid": (186, 178), "exit": (60, 93), "exit_group": (231, 94),
}  # fmt: skip
ARCHITECTURES = {"x86_64": (0, 0xC000003E, 317), "aarch64": (1, 0xC00000B7, 277)}  # column, audit id, seccomp(2)

SECCOMP_SET_MODE_FILTER = 1
SECCOMP_FILTER_FLAG_TSYNC = 1
RET_KILL_PROCESS = 0x80000000
RET_ERRNO = 0x00050000
RET_ALLOW = 0x7FFF0000
LOAD_WORD, JUMP_EQUAL, RETURN = 0x20, 0x15, 0x06
OFFSET_NUMBER, OFFSET_ARCH = 0, 4


class _FilterProgram(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def filter_program(
    machine: str,
    further: Mapping[str, tuple[int, int]] = MappingProxyType({}),
    otherwise: int = RET_ERRNO | errno.EPERM,
) -> bytes:
    """Return the BPF instructions for ``machine``: the calls of ``ALLOWED`` and ``further`` pass.

    Raises KeyError for an architecture without known numbers.
    """
    column, audit_arch, _ = ARCHITECTURES[machine]
    numbers = [pair[column] for pair in (*ALLOWED.values(), *further.values())]
    lines = [
        (LOAD_WORD, 0, 0, OFFSET_ARCH),
        (JUMP_EQUAL, 1, 0, audit_arch),
        (RETURN, 0, 0, RET_KILL_PROCESS),
        (LOAD_WORD, 0, 0, OFFSET_NUMBER),
    ]
    for index, number in enumerate(numbers):
        lines.append((JUMP_EQUAL, len(numbers) - index, 0, number))
    lines += [(RETURN, 0, 0, otherwise), (RETURN, 0, 0, RET_ALLOW)]
    return b"".join(struct.pack("HBBI", *line) for line in lines)


def install() -> str:
    """Filter every thread of this process from now on; return "" on success, else why not.

    The caller must have given up new privileges first (``limits.forbid_new_privileges``).
    """
    machine = platform.machine()
    if sys.platform != "linux" or machine not in ARCHITECTURES:
        return f"no filter for {sys.platform} on {machine}"
    if load(filter_program(machine), machine, SECCOMP_FILTER_FLAG_TSYNC) != 0:
        return f"the kernel refused the filter ({errno.errorcode.get(ctypes.get_errno(), 'unknown error')})"
    return ""


def load(code: bytes, machine: str, flags: int) -> int:
    """Give the kernel BPF instructions; return what seccomp(2) does, below 0 for a failure that ctypes' errno names."""
    program = _FilterProgram(len(code) // 8, code)
    libc = ctypes.CDLL(None, use_errno=True)
    arguments = (SECCOMP_SET_MODE_FILTER, flags, ctypes.byref(program))
    return int(libc.syscall(ctypes.c_long(ARCHITECTURES[machine][2]), *arguments))
