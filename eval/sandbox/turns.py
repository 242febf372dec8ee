"""Programs run beside each other, or one alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """Who may run: any number beside others, or one that waits until they have ended and keeps new ones waiting."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._running = 0
        self._one_is_alone = False

    @contextmanager
    def beside_others(self) -> Iterator[None]:
        """Run while nobody is alone."""
        with self._changed:
            self._changed.wait_for(lambda: not self._one_is_alone)
            self._running += 1
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Run while nobody else does."""
        with self._changed:
            self._changed.wait_for(lambda: not self._one_is_alone)
            self._one_is_alone = True
            self._changed.wait_for(lambda: not self._running)
        try:
            yield
        finally:
            with self._changed:
                self._one_is_alone = False
                self._changed.notify_all()
