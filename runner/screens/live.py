"""The screens that move: an advance on a terminal or in a pipe, and the watched status."""

from __future__ import annotations

import atexit
import contextlib
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any, TextIO

from env.heartbeat import Pulse
from gates import gate_title
from runner.machine import FINISHED
from runner.run import Run, command
from runner.screens.glance import resumes
from runner.screens.ink import Line, Paper, is_terminal, line, paper_of, rendered, write_lines
from runner.screens.notices import staleness_lines
from runner.screens.outcome import outcome_lines
from runner.screens.status import crash_lines, next_line, safe_line, status_lines
from runner.screens.wording import countdown_text, gate_name, rate_text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from gates.report import GateReport
    from runner.advance import Screen
    from runner.failure import Failure
    from runner.freshness import Freshness
    from runner.view import RunView

PIPE_INTERVAL_S = 10.0
WATCH_INTERVAL_S = 1.0


def make_screen(stream: TextIO | None = None) -> Screen:
    """Return the screen an advance tells its story to: a live one on a terminal, timestamped plain lines in a pipe."""
    stream = stream or sys.stdout
    return TerminalScreen(stream) if is_terminal(stream) else PipeScreen(stream)


class _Teller:
    """Says what happened, once, in lines; how the lines reach the stream and how progress looks is the subclass's."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.paper: Paper = paper_of(stream)

    def say(self, lines: Sequence[Line]) -> None:
        """Write lines that stay."""
        raise NotImplementedError

    def pulse(self, gate: str, pulse: Pulse) -> None:
        """Show where a running gate is."""
        raise NotImplementedError

    def opened(self, run: Run) -> None:
        """The run was found and locked."""
        self.say([line("run ", (run.id, "bold"), (f"   {run.folder}", "dim"), hang=4)])

    def gate_started(self, run: Run, gate: str, resumed: bool) -> None:
        """A worker starts, or goes on with what an earlier one left."""
        how = (f"  goes on: {resumes(run.folder, gate)}", "dim") if resumed else ""
        self.say([line(("▶", "live"), f" {gate_name(gate, gate_title(gate)):<14} ", ("running", "live"), how, hang=4)])

    def gate_ended(self, run: Run, report: GateReport) -> None:
        """A gate looked and concluded."""
        self.say(outcome_lines(report, command(run.folder, "report" if report.gate == "e" else "retry")))

    def gate_crashed(self, run: Run, gate: str, failure: Failure) -> None:
        """A gate could not look."""
        name = gate_name(gate, gate_title(gate))
        first = line(("✗", "crash"), f" {name:<14} ", ("crashed", "crash"), f"  {failure.sentence}", hang=4)
        data = {key: str(value) for key, value in asdict(failure).items()}
        self.say([first, *crash_lines(run.folder, gate, data, command(run.folder, "advance"))])

    def gate_stopped(self, run: Run, gate: str) -> None:
        """The user asked to stop, and the worker did at a safe point."""
        name = gate_name(gate, gate_title(gate))
        self.say(
            [
                line(("‖", "odd"), f" {name:<14} ", ("stopped", "odd"), "  as asked", hang=4),
                safe_line(run.folder, gate),
                next_line(command(run.folder, "advance"), resumes(run.folder, gate)),
            ]
        )

    def stale(self, run: Run, found: list[Freshness]) -> None:
        """Stored results are not of the present inputs."""
        self.say(staleness_lines(run.folder, found))

    def finished(self, run: Run) -> None:
        """Nothing is left to do, or nothing up to the gate that was asked for."""
        if run.machine.state == FINISHED:
            self.say([line(("✓", "good"), " finished   ", ("next: ", "dim"), (command(run.folder, "report"), "bold"))])
        else:
            at = run.machine.gate.upper()
            self.say([line(f"next is gate {at}   ", ("next: ", "dim"), (command(run.folder, "advance"), "bold"))])


class PipeScreen(_Teller):
    """Plain timestamped lines: what happens at once, progress at most every ten seconds or when the phase changes."""

    def __init__(
        self,
        stream: TextIO,
        clock_s: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        super().__init__(stream)
        self._clock_s = clock_s
        self._now = now
        self._phase: tuple[str, str] | None = None
        self._said_s = float("-inf")

    def say(self, lines: Sequence[Line]) -> None:
        """Write each line behind the time."""
        stamp = f"{self._now():%Y-%m-%d %H:%M:%S}  "
        write_lines(self.stream, [Line(((stamp, ""), *item.spans)) for item in lines], self.paper)

    def pulse(self, gate: str, pulse: Pulse) -> None:
        """Write a progress line if one is due."""
        phase = (gate, pulse.phase)
        at_s = self._clock_s()
        if phase == self._phase and at_s - self._said_s < PIPE_INTERVAL_S:
            return
        self._phase, self._said_s = phase, at_s
        self.say([line(f"{gate_name(gate, gate_title(gate))}  {progress_text(pulse)}")])


def progress_text(pulse: Pulse) -> str:
    """Return 'base on dev 300/300 samples  24/s  eta 0:32' of a pulse; only what is known."""
    count = f" {pulse.done:,}/{pulse.total:,} {pulse.unit}" if pulse.total else ""
    parts = [f"{pulse.phase}{count}", pulse.message]
    if pulse.rate:
        parts.append(rate_text(pulse.rate))
    if pulse.eta_s is not None and pulse.done < pulse.total:
        parts.append(f"eta {countdown_text(pulse.eta_s)}")
    return "  ".join(part for part in parts if part)


class TerminalScreen(_Teller):
    """Lines that stay, and below them one that moves: phase, bar, count, rate of the last minute, time left."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def say(self, lines: Sequence[Line]) -> None:
        """Take the moving line away, then write."""
        self.close()
        self.paper = paper_of(self.stream)
        write_lines(self.stream, lines, self.paper)

    def pulse(self, gate: str, pulse: Pulse) -> None:
        """Move the progress line."""
        if self._progress is None:
            self._progress = _progress(_console(self.stream, self.paper), self.paper)
            self._task = self._progress.add_task("", total=None, tail="")
            self._progress.start()
            # An advance may end by an exception that no screen hears of; the cursor must come back.
            atexit.register(self.close)
        assert self._task is not None
        shown = next(
            iter(
                rendered([line(_phase_text(gate, pulse))], Paper(None, False, self.paper.unicode, self.paper.encoding))
            )
        )
        self._progress.update(
            self._task,
            description=shown,
            total=pulse.total or None,
            completed=pulse.done,
            tail=_tail_text(pulse),
        )

    def close(self) -> None:
        """Take the moving line away and give the cursor back."""
        if self._progress is not None:
            with contextlib.suppress(OSError):
                self._progress.stop()
            self._progress = None
            atexit.unregister(self.close)


def _phase_text(gate: str, pulse: Pulse) -> str:
    message = f"  {pulse.message}" if pulse.message else ""
    return f"{gate_name(gate, gate_title(gate))}  {pulse.phase}{message}"


def _tail_text(pulse: Pulse) -> str:
    """Return '300/600 samples  24/s last min  eta 0:32': the estimate with its basis."""
    parts = [f"{pulse.done:,}/{pulse.total:,} {pulse.unit}" if pulse.total else ""]
    if pulse.rate:
        parts.append(f"{rate_text(pulse.rate)} last min")
    if pulse.eta_s is not None and pulse.done < pulse.total:
        parts.append(f"eta {countdown_text(pulse.eta_s)}")
    return "  ".join(part for part in parts if part)


def _console(stream: TextIO, paper: Paper) -> Console:
    from rich.console import Console

    return Console(file=stream, no_color=not paper.colour, highlight=False, markup=False, emoji=False)


def _progress(console: Console, paper: Paper) -> Progress:
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
    from rich.table import Column

    spinner = "dots" if paper.unicode else "line"
    return Progress(
        SpinnerColumn(spinner, style="cyan"),
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")),
        BarColumn(bar_width=12, complete_style="cyan", finished_style="green", pulse_style="cyan"),
        TextColumn("{task.fields[tail]}", markup=False, table_column=Column(no_wrap=True, min_width=38)),
        console=console,
        transient=True,
    )


def watch_status(
    load: Callable[[], RunView], stream: TextIO | None = None, interval_s: float = WATCH_INTERVAL_S
) -> None:
    """Show a run's status until it is finished, stops running, or the user presses Ctrl-C.

    ``load`` reads the run anew. A run that does not run yet is waited for. In a pipe a status is written whenever a
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


def _watch_terminal(load: Callable[[], RunView], stream: TextIO, interval_s: float) -> None:
    from rich.live import Live

    paper = paper_of(stream)
    was_running = False
    with Live(console=_console(stream, paper), auto_refresh=False, vertical_overflow="visible") as live:
        while True:
            view = load()
            live.update(_rich_text(view, paper_of(stream)), refresh=True)
            if _is_over(view, was_running):
                return
            was_running = view.running
            time.sleep(interval_s)


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

    # Our own lines carry their ANSI codes; rich only keeps them in place.
    return Text.from_ansi("\n".join(rendered(status_lines(view), paper)))
