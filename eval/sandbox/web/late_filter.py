"""A system call filter for a program that must first start: everything is let through until it says that it is ready.

A call outside the list of ``seccomp`` goes to a supervisor process (SECCOMP_RET_USER_NOTIF,
Documentation/userspace-api/seccomp_filter.rst), which lets it continue. Once the program is ready the supervisor ends;
from then on the kernel answers such a call with ENOSYS. Where the supervisor dies early the program cannot start: the
filter fails closed.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import platform
import select
import socket
import struct
import sys
from contextlib import suppress

from eval.sandbox import seccomp

# What Node needs besides ``seccomp.ALLOWED`` while programs run and to exit, and sendmsg, which hands the listener
# over: it has no socket to send through, and none can be made. Numbers as there: x86_64, aarch64.
FURTHER = {
    "pkey_mprotect": (329, 288), "fcntl": (72, 25), "epoll_ctl": (233, 21), "epoll_pwait": (281, 22),
    "epoll_wait": (232, 22), "sendmsg": (46, 211),
}  # fmt: skip
SECCOMP_FILTER_FLAG_NEW_LISTENER = 8
RET_USER_NOTIF = 0x7FC00000
USER_NOTIF_FLAG_CONTINUE = 1
NOTIFICATION_BYTES = 80  # struct seccomp_notif
ANSWER = struct.Struct("=QqiI")  # struct seccomp_notif_resp
RECEIVE, SEND = 0xC0502100, 0xC0182101  # _IOWR('!', 0, struct seccomp_notif), _IOWR('!', 1, struct seccomp_notif_resp)


class Gate:
    """Both ends of what the program and its supervisor say to each other.

    Attributes:
        ready_fd: the program writes here when it has started.
        locked_fd: at its end of file the filter is in force.
    """

    def __init__(self) -> None:
        self._told_fd, self.ready_fd = os.pipe()
        self.locked_fd, self._locking_fd = os.pipe()
        self._here, self._there = socket.socketpair()

    def supervise(self) -> None:
        """Start the supervisor, as nobody's child: its end leaves nothing to wait for."""
        first = os.fork()
        if first:
            os.waitpid(first, 0)
            os.close(self._told_fd)
            os.close(self._locking_fd)
            self._there.close()
            return
        with suppress(BaseException):
            if os.fork() == 0:
                self._let_pass()
        os._exit(0)

    def install(self) -> str:
        """Filter this process and what it becomes; return "" on success, else why not. The supervisor must run."""
        machine = platform.machine()
        if sys.platform != "linux" or machine not in seccomp.ARCHITECTURES:
            return f"no filter for {sys.platform} on {machine}"
        code = seccomp.filter_program(machine, further=FURTHER, otherwise=RET_USER_NOTIF)
        listener = seccomp.load(code, machine, SECCOMP_FILTER_FLAG_NEW_LISTENER)
        if listener < 0:
            return f"the kernel refused the filter ({errno.errorcode.get(ctypes.get_errno(), 'unknown error')})"
        try:
            socket.send_fds(self._here, [b"x"], [listener])
        finally:
            os.close(listener)  # held here too, a call of ours would wait for an answer of ours
        return ""

    def leave_open(self) -> None:
        """Keep the program's ends over an exec."""
        for fd in (self.ready_fd, self.locked_fd):
            os.set_inheritable(fd, True)

    def _let_pass(self) -> None:
        self._here.close()
        os.close(self.ready_fd)
        os.close(self.locked_fd)
        for fd in (0, 1, 2):  # the parent must see the program's end, not ours
            os.close(fd)
        _, listeners, _, _ = socket.recv_fds(self._there, 1, 1)
        if not listeners:
            return
        self._there.close()
        listener = listeners[0]
        poller = select.poll()
        poller.register(listener, select.POLLIN)
        poller.register(self._told_fd, select.POLLIN)
        while not any(fd == self._told_fd for fd, _ in poller.poll()):
            with suppress(FileNotFoundError):  # who called was ended by a signal
                _let_continue(listener)
        os.close(listener)


def _let_continue(listener: int) -> None:
    notification = bytearray(NOTIFICATION_BYTES)
    fcntl.ioctl(listener, RECEIVE, notification)
    (identity,) = struct.unpack_from("=Q", notification)
    fcntl.ioctl(listener, SEND, ANSWER.pack(identity, 0, 0, USER_NOTIF_FLAG_CONTINUE))
