"""Frames between the pool and a child: four length bytes, then JSON."""

from __future__ import annotations

import json
import os
import select
import struct
import time
from collections.abc import Callable
from typing import Any

HEADER = struct.Struct(">I")
# A child's answer is a few KB (details are cut to 500 characters); beyond this it is not an answer.
MAX_ANSWER_BYTES = 4 << 20
# A value of ``time.monotonic()``, or what returns the seconds that are left, asked again when they are over.
Deadline = float | Callable[[], float]


class FrameError(Exception):
    """What was received is not a frame: the other side died, or wrote something else."""


class FrameTimeout(Exception):
    """No complete frame arrived before the deadline."""


def write_frame(fd: int, message: dict[str, Any], deadline: Deadline | None = None) -> None:
    """Write ``message`` to ``fd`` completely; with a ``deadline`` the descriptor must be non-blocking.

    Raises:
        OSError: the other side is gone.
        FrameTimeout: it did not take the frame before ``deadline``.
    """
    body = json.dumps(message, separators=(",", ":")).encode("ascii")
    data = memoryview(HEADER.pack(len(body)) + body)
    while data:
        try:
            data = data[os.write(fd, data) :]
        except BlockingIOError:
            if deadline is None:
                raise
            _wait(fd, select.POLLOUT, deadline)


def read_frame(fd: int, deadline: Deadline | None = None, max_bytes: int = MAX_ANSWER_BYTES) -> dict[str, Any]:
    """Return the next message from ``fd``.

    Args:
        deadline: when to give up; None waits for ever.
        max_bytes: a longer frame is refused unread.

    Raises:
        FrameError: end of file, an oversized frame, or not a JSON object.
        FrameTimeout: the deadline passed.
    """
    (length,) = HEADER.unpack(_read_exactly(fd, HEADER.size, deadline))
    if length > max_bytes:
        raise FrameError(f"a frame of {length} bytes")
    try:
        message = json.loads(_read_exactly(fd, length, deadline))
    except ValueError:
        raise FrameError("a frame that is not JSON") from None
    if not isinstance(message, dict):
        raise FrameError("a frame that is not an object")
    return message


def _read_exactly(fd: int, count: int, deadline: Deadline | None) -> bytes:
    parts = bytearray()
    while len(parts) < count:
        if deadline is not None:
            _wait(fd, select.POLLIN, deadline)
        piece = os.read(fd, min(count - len(parts), 1 << 20))
        if not piece:
            raise FrameError("end of file")
        parts += piece
    return bytes(parts)


def seconds_left(deadline: Deadline) -> float:
    """Return the seconds until ``deadline``; 0 or less when it has passed."""
    return deadline() if callable(deadline) else deadline - time.monotonic()


def _wait(fd: int, event: int, deadline: Deadline) -> None:
    poller = select.poll()
    poller.register(fd, event)
    while True:
        remaining_s = seconds_left(deadline)
        if poller.poll(max(0.0, remaining_s * 1000 + 1)):
            return
        if remaining_s <= 0:
            raise FrameTimeout
