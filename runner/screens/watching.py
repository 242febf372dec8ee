"""The watched status: a full screen on a terminal, redrawn as the run and the window change; plain text in a pipe."""

from __future__ import annotations

import os
import select
import shutil
import signal
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, TextIO

from runner.runs.state_machine import FINISHED
from runner.screens.ink import Line, Paper, is_terminal, line, paper_of, rendered, write_lines
from runner.screens.live import rich_console
from runner.screens.running import progress_lines, worker_lines
from runner.screens.status import gate_lines, status_lines

if TYPE_CHECKING:
    from runner.views.run_view import RunView

WATCH_INTERVAL_S = 1.0
# Response time to a key or a new window size.
_LOOK_S = 0.1
_QUIT = b"qQ\x1b\x03\x04"


def watch_status(
    load: Callable[[], RunView], stream: TextIO | None = None, interval_s: float = WATCH_INTERVAL_S
) -> None:
    """Show a run's status until it is finished, stops running, or the user presses q or Ctrl-C.

    ``load`` reads the run again. It waits for a run that is not running yet. In a pipe a status is written whenever a
    gate changes its state.
    """
    stream = stream or sys.stdout
    try:
        if is_terminal(stream):
            _watch_terminal(load, stream, interval_s)
        else:
            _watch_pipe(load, stream, interval_s)
    except KeyboardInterrupt:
        return


def watch_lines(view: RunView, now: datetime | None = None) -> list[Line]:
    """Return the live screen: the gates, and all details of a running one."""
    now = now or datetime.now().astimezone()
    leave = line(("q quits; the run continues", "dim"))
    if not view.running:
        return [*status_lines(view, now), line(("waiting for the run to start · ", "dim"), *leave.spans)]
    return [*gate_lines(view, now), *worker_lines(view, now), *progress_lines(view, now), leave]


def _watch_terminal(load: Callable[[], RunView], stream: TextIO, interval_s: float) -> None:
    """Draw on the terminal's alternate screen; the last status stays on the main one."""
    from rich.live import Live

    view, was_running = load(), False
    try:
        with (
            _left_by_signals(),
            _keys(sys.stdin) as wait_for_quit,
            Live(console=rich_console(stream, paper_of(stream)), auto_refresh=False, screen=True) as live,
        ):
            while True:
                live.update(_rich_text(view, paper_of(stream)), refresh=True)
                if _is_over(view, was_running) or wait_for_quit(interval_s):
                    return
                was_running = view.running
                view = load()
    finally:
        write_lines(stream, status_lines(view))


@contextmanager
def _keys(stdin: TextIO) -> Iterator[Callable[[float], bool]]:
    """Yield a wait of some seconds that returns whether a key requested quitting; it ends early on a resize."""
    try:
        descriptor = stdin.fileno()
        ours = os.tcgetpgrp(descriptor) == os.getpgrp()
    except (OSError, ValueError, AttributeError):
        ours = False
    if not ours:  # no terminal to read keys from, or it belongs to another job of the shell
        yield lambda seconds: _wait(seconds, None)
        return
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)
    try:
        yield lambda seconds: _wait(seconds, descriptor)
    finally:
        with suppress(termios.error):
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _wait(seconds: float, descriptor: int | None) -> bool:
    until, size = time.monotonic() + seconds, shutil.get_terminal_size()
    while (left := until - time.monotonic()) > 0 and shutil.get_terminal_size() == size:
        if descriptor is None:
            time.sleep(min(left, _LOOK_S))
        elif select.select([descriptor], [], [], min(left, _LOOK_S))[0]:
            keys = os.read(descriptor, 64)
            if not keys or keys[:1] in {bytes([key]) for key in _QUIT}:
                return True
    return False


@contextmanager
def _left_by_signals() -> Iterator[None]:
    """Leave the alternate screen also when ended by SIGTERM, with the exit code that a shell expects."""

    def leave(number: int, _frame: Any) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _watch_pipe(load: Callable[[], RunView], stream: TextIO, interval_s: float) -> None:
    shown: tuple[Any, ...] = ()
    was_running = False
    while True:
        view = load()
        states = tuple(gate.state for gate in view.gates)
        if states != shown:
            write_lines(stream, status_lines(view))
            shown = states
        if _is_over(view, was_running):
            return
        was_running = view.running
        time.sleep(interval_s)


def _is_over(view: RunView, was_running: bool) -> bool:
    return view.state == FINISHED or (was_running and not view.running)


def _rich_text(view: RunView, paper: Paper) -> Any:
    from rich.text import Text

    # Our own lines contain their ANSI codes; rich only positions them.
    return Text.from_ansi("\n".join(rendered(watch_lines(view), paper)))
