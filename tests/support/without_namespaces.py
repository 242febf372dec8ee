"""Run a command as on a machine that gives nobody a namespace: python tests/support/without_namespaces.py COMMAND ...

A system call filter refuses unshare, setns and the flags of clone that make namespaces, for the command and whatever it
starts; bubblewrap then fails as it does inside many containers.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from eval.sandbox.limits import forbid_new_privileges
from eval.sandbox.seccomp import (
    ARCHITECTURES,
    JUMP_EQUAL,
    LOAD_WORD,
    OFFSET_NUMBER,
    RET_ALLOW,
    RET_ERRNO,
    RETURN,
    SECCOMP_SET_MODE_FILTER,
)

# architecture: numbers of clone, unshare, setns, clone3 (the kernel's syscall tables)
NUMBERS = {"x86_64": (56, 272, 308, 435), "aarch64": (220, 97, 268, 435)}
NEW_NAMESPACES = 0x7E020000  # CLONE_NEWNS, -CGROUP, -UTS, -IPC, -USER, -PID, -NET
OFFSET_FIRST_ARGUMENT = 16
JUMP_IF_SET = 0x45


def filter_program(machine: str) -> bytes:
    """Return the BPF instructions; clone3 hides its flags from a filter, so it is said not to exist."""
    clone, unshare, setns, clone3 = NUMBERS[machine]
    lines = [
        (LOAD_WORD, 0, 0, OFFSET_NUMBER),
        (JUMP_EQUAL, 5, 0, unshare),
        (JUMP_EQUAL, 4, 0, setns),
        (JUMP_EQUAL, 4, 0, clone3),
        (JUMP_EQUAL, 0, 4, clone),
        (LOAD_WORD, 0, 0, OFFSET_FIRST_ARGUMENT),
        (JUMP_IF_SET, 0, 2, NEW_NAMESPACES),
        (RETURN, 0, 0, RET_ERRNO | errno.EPERM),
        (RETURN, 0, 0, RET_ERRNO | errno.ENOSYS),
        (RETURN, 0, 0, RET_ALLOW),
    ]
    return b"".join(struct.pack("HBBI", *line) for line in lines)


class _FilterProgram(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def forbid_namespaces() -> None:
    """Filter this process from now on. Raises OSError where the kernel has no filters."""
    machine = platform.machine()
    forbid_new_privileges()
    code = filter_program(machine)
    program = _FilterProgram(len(code) // 8, code)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(ctypes.c_long(ARCHITECTURES[machine][2]), SECCOMP_SET_MODE_FILTER, 0, ctypes.byref(program)) != 0:
        raise OSError(ctypes.get_errno(), "the kernel refused the filter")


if __name__ == "__main__":
    forbid_namespaces()
    os.execvp(sys.argv[1], sys.argv[1:])
