"""When the terminal or pipe of an advance is lost, its output is discarded and the work continues."""

from __future__ import annotations

import os
import select
import sys

_LOST = select.POLLERR | select.POLLHUP | select.POLLNVAL


def let_go_of_lost_streams() -> list[int]:
    """Discard standard output and error where nobody can read them any more; return which ones.

    A closed SSH connection hangs the terminal up: the next print would fail, and end an advance between two gates.
    """
    lost = [descriptor for descriptor in (1, 2) if _is_lost(descriptor)]
    for descriptor in lost:
        nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        os.dup2(nowhere, descriptor)
        if nowhere != descriptor:
            os.close(nowhere)
    return lost


def _is_lost(descriptor: int) -> bool:
    if sys.platform == "darwin":
        # poll does not support terminals there
        return False
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return any(found & _LOST for _, found in poll.poll(0))
