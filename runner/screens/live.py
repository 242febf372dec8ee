"""The screen of an advance: events stay, and below them one line moves; timestamped plain lines in a pipe."""

from __future__ import annotations

import atexit
import contextlib
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, TextIO

from env.heartbeat import ALIVE_INTERVAL_S, Pulse
from gates import gate_title, stores
from runner.runs.folder import Run, command
from runner.runs.state_machine import FINISHED
from runner.screens.ink import Line, Paper, columns, is_terminal, line, paper_of, rendered, write_lines
from runner.screens.notices import staleness_lines
from runner.screens.outcome import outcome_lines
from runner.screens.running import basis_text
from runner.screens.status import crash_lines, detail, next_line, safe_line
from runner.views.folder_facts import lost_work, resumes, stops_after
from runner.views.run_view import IDLE_AFTER_S
from runner.views.wording import countdown_text, duration_text, gate_name

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from gates.report import GateReport
    from runner.advance.failure import Failure
    from runner.advance.loop import Screen
    from runner.validity.freshness import Freshness

# A line is written when a pulse comes, and pulses come at least every four seconds: together less than ten.
PIPE_INTERVAL_S = 5.5
BAR_COLUMNS = 12
# On a narrower terminal text is more useful than a bar.
BAR_FROM_COLUMNS = 100


def make_screen(stream: TextIO | None = None) -> Screen:
    """Return the screen of an advance: a live one on a terminal, timestamped plain lines in a pipe."""
    stream = stream or sys.stdout
    return TerminalScreen(stream) if is_terminal(stream) else PipeScreen(stream)


class _Teller(ABC):
    """Reports events in lines; the subclass writes the lines and shows progress."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.paper: Paper = paper_of(stream)

    @abstractmethod
    def say(self, lines: Sequence[Line]) -> None:
        """Write lines that stay."""

    @abstractmethod
    def pulse(self, gate: str, pulse: Pulse) -> None:
        """Show the progress of a running gate."""

    def opened(self, run: Run) -> None:
        """The run was found and locked."""
        self.say([line("run ", (run.id, "bold"), (f"   {run.folder}", "dim"), hang=4)])

    def noticed(self, run: Run, sentences: list[str]) -> None:
        """Something was found that changes what follows, and how."""
        self.say([line(("! ", "odd"), sentence, hang=2) for sentence in sentences])

    def gate_reused(self, run: Run, report: GateReport) -> None:
        """A gate was finished before with the same inputs; its verified results are reused here."""
        name, source = gate_name(report.gate, report.title), report.reused_from
        first = line(("✓", "good"), f" {name:<14} ", ("passed", "good"), f"  {report.headline}", hang=4)
        where = f"{source.run}, attempt {source.attempt}" if source is not None else "?"
        told = f"reused from {where}: same inputs, every file verified"
        self.say([first, line("    ", told, ("   --fresh recomputes it", "dim"), hang=6)])

    def gate_started(self, run: Run, gate: str, resumed: bool) -> None:
        """A worker starts, or resumes what an earlier one stored."""
        how = (f"  {resumes(run.folder, gate)}", "dim") if resumed else ""
        self.say([line(("▶", "live"), f" {gate_name(gate, gate_title(gate)):<14} ", ("running", "live"), how, hang=4)])

    def gate_ended(self, run: Run, report: GateReport) -> None:
        """A gate concluded."""
        self.say(outcome_lines(report, command(run.folder, "report" if stores(report.gate, "decision") else "retry")))

    def gate_crashed(self, run: Run, gate: str, failure: Failure) -> None:
        """A gate could not finish."""
        name = gate_name(gate, gate_title(gate))
        first = line(("✗", "crash"), f" {name:<14} ", ("crashed", "crash"), f"  {failure.sentence}", hang=4)
        data = {key: str(value) for key, value in asdict(failure).items()}
        self.say([first, *crash_lines(run.folder, gate, data, command(run.folder, "advance"))])

    def gate_stopping(self, run: Run, gate: str, pulse: Pulse | None) -> None:
        """The user requested a stop, and the worker has been told."""
        name, loses = gate_name(gate, gate_title(gate)), lost_work(run.folder, gate, pulse)
        after = f"  after {stops_after(gate, pulse)}"
        self.say(
            [
                line(("‖", "odd"), f" {name:<14} ", ("stopping", "odd"), after, hang=4),
                detail("again", f"Ctrl-C once more stops at once{f' and loses {loses}' if loses else ''}", "dim"),
            ]
        )

    def gate_stopped(self, run: Run, gate: str, lost: str = "") -> None:
        """The user requested a stop, and the worker stopped at a safe point, or at once: ``lost`` is what that cost."""
        name = gate_name(gate, gate_title(gate))
        self.say(
            [
                line(("‖", "odd"), f" {name:<14} ", ("stopped", "odd"), "  at your request", hang=4),
                *([detail("lost", lost)] if lost else []),
                safe_line(run.folder, gate),
                next_line(command(run.folder, "advance"), resumes(run.folder, gate)),
            ]
        )

    def stopped_after(self, run: Run, gate: str) -> None:
        """The user requested a stop while a gate was concluding: it is done, and the next one does not start."""
        self.say(
            [
                line(
                    ("‖", "odd"),
                    f" {'':<14} ",
                    ("stopped", "odd"),
                    f"  at your request, after gate {gate.upper()}",
                    hang=4,
                ),
                next_line(command(run.folder, "advance"), "continues with the next gate"),
            ]
        )

    def stale(self, run: Run, found: list[Freshness]) -> None:
        """Stored results are not up to date."""
        self.say(staleness_lines(run.folder, found))

    def finished(self, run: Run) -> None:
        """Nothing is left to do, or nothing up to the requested gate."""
        if run.machine.state == FINISHED:
            self.say(
                [line(("✓", "good"), " finished   ", ("next: ", "dim"), (command(run.folder, "report"), "command"))]
            )
        else:
            at = run.machine.gate.upper()
            self.say([line(f"next is gate {at}   ", ("next: ", "dim"), (command(run.folder, "advance"), "command"))])


class PipeScreen(_Teller):
    """Plain timestamped lines: what happens at once, progress within ten seconds and when the phase changes."""

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
        """Write each line after the time."""
        stamp = f"{self._now():%Y-%m-%d %H:%M:%S}  "
        write_lines(self.stream, [Line(((stamp, ""), *item.spans)) for item in lines], self.paper)

    def pulse(self, gate: str, pulse: Pulse) -> None:
        """Write a progress line if one is due."""
        phase = (gate, pulse.phase)
        at_s = self._clock_s()
        if phase == self._phase and at_s - self._said_s < PIPE_INTERVAL_S:
            return
        self._phase, self._said_s = phase, at_s
        self.say([line(f"{gate_name(gate, gate_title(gate))}  {f'{_phase_text(pulse)}  {tail_text(pulse)}'.rstrip()}")])


class TerminalScreen(_Teller):
    """Lines that stay, and below them one that moves: phase, bar, count, rate and over how long, time left."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._taken_columns = 0

    def say(self, lines: Sequence[Line]) -> None:
        """Remove the moving line, then write."""
        self.close()
        self.paper = paper_of(self.stream)
        write_lines(self.stream, lines, self.paper)

    def pulse(self, gate: str, pulse: Pulse) -> None:
        """Update the progress line."""
        if self._progress is None:
            with_bar = (self.paper.width or 80) >= BAR_FROM_COLUMNS
            self._taken_columns = 3 + (1 + BAR_COLUMNS if with_bar else 0)
            self._progress = _progress(rich_console(self.stream, self.paper), self.paper, with_bar)
            self._task = self._progress.add_task("", total=None, tail="")
            self._progress.start()
            # An advance may end by an exception that no screen receives; the cursor must be restored.
            atexit.register(self.close)
        assert self._task is not None
        tail = tail_text(pulse)
        # The count is never cut; its label is.
        room = max(12, (paper_of(self.stream).width or 80) - columns(tail) - self._taken_columns)
        named = line(f"{gate_name(gate, gate_title(gate))}  {_phase_text(pulse)}", cut=True)
        [shown] = rendered([named], Paper(room, False, self.paper.unicode, self.paper.encoding))
        self._progress.update(self._task, description=shown, total=pulse.total or None, completed=pulse.done, tail=tail)

    def close(self) -> None:
        """Remove the moving line and restore the cursor."""
        if self._progress is not None:
            with contextlib.suppress(OSError):
                self._progress.stop()
            self._progress = None
            atexit.unregister(self.close)


def _phase_text(pulse: Pulse) -> str:
    return f"{pulse.phase}  {pulse.message}".rstrip()


def tail_text(pulse: Pulse) -> str:
    """Return '300/600 samples  24/s over 60 s  eta 0:32' or, where nothing is counted, 'for 45 s'.

    Where tokens are counted they tell the pace: '300/600 samples  41,200 tokens, 310/s over 60 s  eta 0:32'.
    """
    if not pulse.total:
        return f"for {duration_text(pulse.phase_s)}" if pulse.phase_s > ALIVE_INTERVAL_S / 2 else ""
    parts = [f"{pulse.done:,}/{pulse.total:,} {pulse.unit}"]
    if pulse.idle_s > IDLE_AFTER_S:
        return f"{parts[0]}  no progress for {duration_text(pulse.idle_s)}"
    if basis := basis_text(pulse):
        parts.append(basis)
    if pulse.eta_s is not None and pulse.done < pulse.total:
        parts.append(f"eta {countdown_text(pulse.eta_s)}")
    return "  ".join(parts)


def rich_console(stream: TextIO, paper: Paper) -> Console:
    """Return rich's console on a stream, as coloured as our own lines are."""
    from rich.console import Console

    return Console(file=stream, no_color=not paper.colour, highlight=False, markup=False, emoji=False)


def _progress(console: Console, paper: Paper, with_bar: bool) -> Progress:
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
    from rich.table import Column

    bar = BarColumn(bar_width=BAR_COLUMNS, complete_style="cyan", finished_style="green", pulse_style="cyan")
    return Progress(
        SpinnerColumn("dots" if paper.unicode else "line", style="cyan"),
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
        *([bar] if with_bar else []),
        TextColumn("{task.fields[tail]}", markup=False, table_column=Column(no_wrap=True)),
        console=console,
        transient=True,
    )
