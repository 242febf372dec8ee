"""The status screen: a run, its five gates, what it is doing now, and the command that goes on."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TextIO

from runner.screens.glance import newest_checkpoint, reasons, resumes, safe_work, subject
from runner.screens.ink import NO_BREAK, Line, Paper, columns, line, pad, rendered, write_lines
from runner.screens.wording import clock_text, count_text, countdown_text, duration_text, gate_name
from runner.view import SILENT_AFTER_S, GateView, RunView

# Each state's mark, word and style. "crashed" (could not look) and "said no" (looked) share nothing.
STATES: dict[str, tuple[str, str, str]] = {
    "passed": ("✓", "passed", "good"),
    "failed": ("✗", "said no", "no"),
    "crashed": ("✗", "crashed", "crash"),
    "interrupted": ("‖", "interrupted", "odd"),
    "stopped": ("‖", "stopped", "odd"),
    "running": ("▶", "running", "live"),
    "ready": ("·", "next", "bold"),
    "waiting": ("·", "waiting", "dim"),
}
_GATE_COLUMNS = 13
_DETAIL = " " * 6


def status_text(view: RunView, width: int = 80, now: datetime | None = None) -> str:
    """Return the status screen as plain text, wrapped to ``width`` columns."""
    return "\n".join(rendered(status_lines(view, now), Paper(width))) + "\n"


def print_status(view: RunView, stream: TextIO | None = None) -> None:
    """Write the status screen to ``stream`` (standard output)."""
    write_lines(stream or sys.stdout, status_lines(view))


def status_lines(view: RunView, now: datetime | None = None) -> list[Line]:
    """Return the status screen's lines."""
    now = now or datetime.now().astimezone()
    lines = [_header(view)]
    word_columns = max(7, *(len(STATES[gate.state][1]) for gate in view.gates))
    clock_columns = max((len(clock_text(gate.at, now)) for gate in view.gates), default=0)
    for gate in view.gates:
        lines.append(_gate_line(view, gate, word_columns, clock_columns, now))
        lines.extend(_details(view, gate))
    return [*lines, *_footer(view)]


def _header(view: RunView) -> Line:
    parts = [subject(Path(view.folder)), view.profile, f"git {view.git}" if view.git else ""]
    about = " · ".join(part for part in parts if part)
    return line("run ", (view.id, "bold"), "   ", (about, "dim"), hang=4)


def _gate_line(view: RunView, gate: GateView, word_columns: int, clock_columns: int, now: datetime) -> Line:
    mark, word, style = STATES[gate.state]
    name = pad(gate_name(gate.gate, gate.title), _GATE_COLUMNS)
    clock = pad(clock_text(gate.at, now), clock_columns)
    took = duration_text(gate.seconds or None).rjust(7)
    start = f"{pad(word, word_columns)} "
    attempt = (f"  (attempt {gate.attempt})", "dim") if gate.attempt > 1 else ""
    hang = 4 + _GATE_COLUMNS + 1 + columns(start) + clock_columns + 9
    text = (_text(view, gate), "dim" if gate.state == "waiting" else "")
    return line("  ", (mark, style), f" {name} ", (start, style), f"{clock}{took}  ", text, attempt, hang=hang)


def _text(view: RunView, gate: GateView) -> str:
    pulse = view.pulse
    if gate.state == "running" and pulse is not None and pulse.gate == gate.gate and pulse.eta_s is not None:
        return f"{gate.text}  {_left(pulse.eta_s)}"
    return gate.text


def _left(seconds: float) -> str:
    left = duration_text(seconds) if seconds >= 60 else countdown_text(seconds)
    return f"{left} left".replace(" ", NO_BREAK)


def _details(view: RunView, gate: GateView) -> list[Line]:
    """Return what stands under a gate's line: why it does not go on, what is safe, what to type."""
    makers: dict[str, Callable[[RunView, GateView], list[Line]]] = {
        "crashed": _crash_details,
        "interrupted": _interrupted_details,
        "stopped": _stopped_details,
        "failed": _no_details,
    }
    maker = makers.get(gate.state)
    return maker(view, gate) if maker is not None else []


def detail(label: str, text: str, style: str = "") -> Line:
    """Return an indented '      label: text' line."""
    return line(_DETAIL, (f"{label}:".ljust(7), "dim"), (text, style), hang=len(_DETAIL) + 7)


def safe_line(folder: Path, gate: str) -> Line:
    """Return the line that says what of an unfinished gate's work is stored."""
    return detail("safe", safe_work(folder, gate) or "nothing stored yet by this gate; earlier gates are kept")


def next_line(command: str, remark: str = "") -> Line:
    """Return the line that names the next command."""
    return line(_DETAIL, ("next:  ", "dim"), (command, "bold"), (f"   {remark}" if remark else "", "dim"), hang=13)


def crash_lines(folder: Path, gate: str, failure: dict[str, str], command: str) -> list[Line]:
    """Return where a crash was, what is safe, and what to type; for a refusal the fix instead of the trace."""
    lines = []
    if failure.get("kind") == "crash":
        where = failure.get("where") or "outside our own code"
        lines += [detail("where", where), detail("trace", f"logs/gate_{gate}.log")]
    if failure.get("fix"):
        lines.append(detail("fix", failure["fix"]))
    if failure.get("kind") == "killed":
        lines.append(detail("log", f"logs/gate_{gate}.log"))
    lines.append(safe_line(folder, gate))
    return [*lines, next_line(command, resumes(folder, gate))]


def _crash_details(view: RunView, gate: GateView) -> list[Line]:
    return crash_lines(Path(view.folder), gate.gate, view.failure, view.next_command)


def _interrupted_details(view: RunView, gate: GateView) -> list[Line]:
    folder = Path(view.folder)
    return [
        detail("what", "its process ended without a word: killed, a power cut, or out of memory"),
        safe_line(folder, gate.gate),
        next_line(view.next_command, resumes(folder, gate.gate)),
    ]


def _stopped_details(view: RunView, gate: GateView) -> list[Line]:
    folder = Path(view.folder)
    return [safe_line(folder, gate.gate), next_line(view.next_command, resumes(folder, gate.gate))]


def _no_details(view: RunView, gate: GateView) -> list[Line]:
    why = [detail("why", text) for text in reasons(Path(view.folder), gate.gate)[:3]]
    return [*why, detail("all", f"gate_{gate.gate}/report.json"), next_line(view.next_command)]


def _footer(view: RunView) -> list[Line]:
    if view.running:
        return [_pulse_line(view), line(("watch: ", "dim"), (view.next_command, "bold"))]
    if view.state == "finished":
        return [line(("next:  ", "dim"), (view.next_command, "bold"), ("   writes report.html and report.md", "dim"))]
    if any(gate.state == "ready" for gate in view.gates):
        return [line(("next:  ", "dim"), (view.next_command, "bold"))]
    return []


def _pulse_line(view: RunView) -> Line:
    pid = view.pulse.pid if view.pulse is not None else view.holder.pid if view.holder is not None else 0
    parts: list[tuple[str, str]] = [(f"worker pid {pid}" if pid else "running", "dim")]
    if view.pulse_age_s is None:
        parts.append((", no pulse yet", "dim"))
    elif view.pulse_age_s > SILENT_AFTER_S:
        parts.append((f", silent for {duration_text(view.pulse_age_s)}: see logs/", "odd"))
    else:
        parts.append((f", pulse {view.pulse_age_s:.0f} s ago", "dim"))
    if view.pulse is not None:
        step = newest_checkpoint(Path(view.folder) / "gate_c") if view.pulse.gate == "c" else 0
        parts.append((f" · checkpoint {step} is safe" if step else "", "dim"))
        parts.append((f" · {view.pulse.rss_mb:,.0f} MB", "dim"))
    return line(*parts)


def print_runs(views: list[RunView], stream: TextIO | None = None) -> None:
    """Write one line per run to ``stream`` (standard output)."""
    write_lines(stream or sys.stdout, runs_lines(views))


def runs_lines(views: list[RunView], now: datetime | None = None) -> list[Line]:
    """Return one line per run, newest last: name, its five marks, where it stands."""
    now = now or datetime.now().astimezone()
    if not views:
        return [
            line("no runs yet"),
            line(("next:  ", "dim"), ("python -m runner advance", "bold"), ("   starts one", "dim")),
        ]
    name_columns = max(len(view.id) for view in views)
    lines = [_run_line(view, name_columns, now) for view in views]
    return [*lines, line((f"{count_text(len(views), 'run')} · python -m runner status --run NAME", "dim"))]


def _run_line(view: RunView, name_columns: int, now: datetime) -> Line:
    marks = [(STATES[gate.state][0], STATES[gate.state][2]) for gate in view.gates]
    stands = next((gate for gate in view.gates if gate.state != "passed"), view.gates[-1])
    _, word, style = STATES[stands.state]
    where = "finished" if view.state == "finished" else f"{stands.gate.upper()} {word}"
    created = clock_text(view.created_at, now)
    text = view.decision or stands.text
    return line(
        (pad(view.id, name_columns), "bold"),
        "  ",
        *marks,
        f"  {created:<10}  ",
        (f"{where:<13}", style),
        f"  {text}",
        cut=True,
    )
