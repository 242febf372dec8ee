"""The time that chat templates read: one moment for a whole run, on whatever day it is resumed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, tzinfo
from typing import Any

CLOCK = "strftime_now"
_TURN = threading.Lock()


@contextmanager
def clock_at(moment: datetime) -> Iterator[None]:
    """Let templates that ask for the time read ``moment``: the library hands them its own clock and takes no other."""
    from transformers.utils import chat_template_utils as library

    class Held(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return moment

    with _TURN:
        real = library.datetime
        library.datetime = Held
        try:
            yield
        finally:
            library.datetime = real
