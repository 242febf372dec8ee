"""The status screen: a run, its five gates, what it is doing now, and the next command."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TextIO

from env.heartbeat import timestamp
from env.refusal import Refusal
from env.wording.counts import counted
from env.wording.listing import listed_text
from runner.runs.commands import for_run
from runner.screens.ink import NO_BREAK, Line, Paper, columns, line, pad, rendered, write_lines
from runner.screens.rulings import RULINGS
from runner.screens.running import left_text, worker_lines
from runner.views.folder_facts import is_smoke, reasons, resumes, safe_work
from runner.views.run_view import GateView, RunView
from runner.views.wording import clock_text, duration_text, gate_name

# Each state's mark, word and style. "crashed" (could not measure) and "said no" (measured) share nothing.
STATES: dict[str, tuple[str, str, str]] = {
    "passed": ("✓", "passed", "good"),
    "failed": ("✗", "said no", "no"),
    "inconclusive": (RULINGS["INCONCLUSIVE"][0], "inconclusive", RULINGS["INCONCLUSIVE"][1]),
    "crashed": ("✗", "crashed", "crash"),
    "interrupted": ("‖", "interrupted", "odd"),
    "stopped": ("‖", "stopped", "odd"),
    "running": ("▶", "running", "live"),
    "ready": ("·", "next", "bold"),
    "waiting": ("·", "waiting", "dim"),
}
_GATE_COLUMNS = 13
_DETAIL = " " * 6
# Differences named of one run on a line.
_SHOWN = 5


def status_text(view: RunView, width: int = 80, now: datetime | None = None) -> str:
    """Return the status screen as plain text, wrapped to ``width`` columns."""
    return "\n".join(rendered(status_lines(view, now), Paper(width))) + "\n"


def print_status(view: RunView, stream: TextIO | None = None) -> None:
    """Write the status screen to ``stream`` (standard output)."""
    write_lines(stream or sys.stdout, status_lines(view))


def status_lines(view: RunView, now: datetime | None = None) -> list[Line]:
    """Return the status screen's lines."""
    now = now or datetime.now().astimezone()
    return [*gate_lines(view, now), *_footer(view, now)]


def gate_lines(view: RunView, now: datetime) -> list[Line]:
    """Return the run's header and its gates, each with the reason where it stopped."""
    lines = [_header(view), *_smoke_lines(view), *_edit_lines(view)]
    word_columns = max(7, *(len(STATES[gate.state][1]) for gate in view.gates))
    clock_columns = max((len(clock_text(gate.at, now)) for gate in view.gates), default=0)
    for gate in view.gates:
        lines.append(_gate_line(view, gate, word_columns, clock_columns, now))
        lines.extend(_details(view, gate, now))
    return lines


def _header(view: RunView) -> Line:
    parts = [view.origin.subject, view.profile, f"git {view.git}" if view.git else ""]
    about = " · ".join(part for part in parts if part)
    return line("run ", (view.id, "bold"), "   ", (about, "dim"), hang=4)


def _smoke_lines(view: RunView) -> list[Line]:
    text = "smoke run: shows that every part works together; decides nothing"
    return [line("    ", (text, "unsure"), hang=4)] if is_smoke(Path(view.folder)) else []


def _edit_lines(view: RunView) -> list[Line]:
    """Return what was written into config.yaml and is not recorded yet: the next advance records it, or refuses it."""
    said = "config.yaml was changed by hand, not recorded yet: "
    return [line(("  ! ", "odd"), said, listed_text(view.hand_edits, _SHOWN), hang=4)] if view.hand_edits else []


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
    left = left_text(view) if gate.state == "running" else ""
    return f"{gate.text}  {f'{left} left'.replace(' ', NO_BREAK)}" if left else gate.text


def _details(view: RunView, gate: GateView, now: datetime) -> list[Line]:
    """Return the lines under a gate: why it stopped, what is safe, what to type."""
    makers: dict[str, Callable[[RunView, GateView, datetime], list[Line]]] = {
        "crashed": _crash_details,
        "interrupted": _interrupted_details,
        "stopped": _stopped_details,
        "failed": _no_details,
        "inconclusive": _no_details,
    }
    maker = makers.get(gate.state)
    return maker(view, gate, now) if maker is not None else []


def detail(label: str, text: str, style: str = "") -> Line:
    """Return an indented '      label: text' line."""
    return line(_DETAIL, (f"{label}:".ljust(7), "dim"), (text, style), hang=len(_DETAIL) + 7)


def safe_line(folder: Path, gate: str) -> Line:
    """Return the line with the stored part of an unfinished gate's work."""
    return detail("safe", safe_work(folder, gate) or "nothing stored yet by this gate; earlier gates are kept")


def next_line(command: str, remark: str = "") -> Line:
    """Return the line that names the next command."""
    return line(_DETAIL, ("next:  ", "dim"), (command, "command"), (f"   {remark}" if remark else "", "dim"), hang=13)


def crash_lines(folder: Path, gate: str, failure: dict[str, str], command: str) -> list[Line]:
    """Return where a crash was, what is safe, and what to type; for a refusal the fix instead of the trace."""
    lines = []
    kind = failure.get("kind")
    if kind == "crash" or (kind == "memory" and failure.get("where")):
        where = failure.get("where") or "outside luagate's own code"
        lines += [detail("where", where), detail("trace", f"logs/gate_{gate}.log")]
    elif kind != "refusal":
        lines.append(detail("log", f"logs/gate_{gate}.log"))
    if failure.get("fix"):
        lines.append(detail("fix", for_run(Refusal("", failure["fix"]), folder).fix))
    lines.append(safe_line(folder, gate))
    return [*lines, next_line(command, resumes(folder, gate))]


def _crash_details(view: RunView, gate: GateView, _now: datetime) -> list[Line]:
    return crash_lines(Path(view.folder), gate.gate, view.failure, view.next_command)


def _interrupted_details(view: RunView, gate: GateView, now: datetime) -> list[Line]:
    folder, last = Path(view.folder), view.last_pulse
    what = "its process disappeared: killed, power loss or out of memory"
    if view.restarted:
        what = "the machine restarted while it ran"
    if last is not None and last.gate == gate.gate:
        what += "; " + f"last seen {clock_text(timestamp(last.at), now)}".replace(" ", NO_BREAK)
    return [
        detail("what", what),
        safe_line(folder, gate.gate),
        next_line(view.next_command, resumes(folder, gate.gate)),
    ]


def _stopped_details(view: RunView, gate: GateView, _now: datetime) -> list[Line]:
    folder = Path(view.folder)
    return [safe_line(folder, gate.gate), next_line(view.next_command, resumes(folder, gate.gate))]


def _no_details(view: RunView, gate: GateView, _now: datetime) -> list[Line]:
    why = [detail("why", text) for text in reasons(Path(view.folder), gate.gate)[:3]]
    return [*why, detail("all", f"gate_{gate.gate}/report.json"), next_line(view.next_command)]


def _footer(view: RunView, now: datetime) -> list[Line]:
    if view.running:
        return [*worker_lines(view, now), line(("watch: ", "dim"), (view.next_command, "command"))]
    if view.state == "finished":
        return [
            line(("next:  ", "dim"), (view.next_command, "command"), ("   writes report.html and report.md", "dim"))
        ]
    if any(gate.state == "ready" for gate in view.gates):
        return [line(("next:  ", "dim"), (view.next_command, "command"))]
    return []


def print_runs(views: list[RunView], current: str = "", where: str = "", stream: TextIO | None = None) -> None:
    """Write two lines per run to ``stream`` (standard output); ``current`` is the name of the current one."""
    write_lines(stream or sys.stdout, runs_lines(views, current, where))


def runs_lines(views: list[RunView], current: str = "", where: str = "", now: datetime | None = None) -> list[Line]:
    """Return two lines per run, newest last: name, its five marks, its state; then what it is, and like which run.

    ``where`` is the --results that the suggested commands need.
    """
    now = now or datetime.now().astimezone()
    if not views:
        return [
            line("no runs yet"),
            line(
                ("next:  ", "dim"), (f"python -m runner advance {where}".rstrip(), "command"), ("   starts one", "dim")
            ),
        ]
    name_columns = max(len(view.id) for view in views)
    pairs = [(_run_line(view, view.id == current, name_columns, now), _origin_line(view)) for view in views]
    named = f"python -m runner status --run NAME {where}".rstrip()
    told = f"{counted(len(views), 'run')} · ● current · {named}"
    return [*(shown for pair in pairs for shown in pair), line((told, "dim"))]


def _origin_line(view: RunView) -> Line:
    """Return what a run is, and how it differs from the run that it was made like."""
    origin = view.origin
    like = f"like {origin.like}" + "".join(f" {text}" for text in origin.given) if origin.like else ""
    differs = f"{counted(len(origin.differs), 'key')} differ" if len(origin.differs) > len(origin.given) else ""
    since = f"changed since: {listed_text(origin.changed, _SHOWN)}" if origin.changed else ""
    parts = [origin.subject, view.profile, like, differs, since]
    return line(("    " + " · ".join(part for part in parts if part), "dim"), cut=True)


def _run_line(view: RunView, is_current: bool, name_columns: int, now: datetime) -> Line:
    marks = [(STATES[gate.state][0], STATES[gate.state][2]) for gate in view.gates]
    stands = next((gate for gate in view.gates if gate.state != "passed"), view.gates[-1])
    _, word, style = STATES[stands.state]
    where = "finished" if view.state == "finished" else f"{stands.gate.upper()} {word}"
    created = clock_text(view.created_at, now)
    text = view.decision or stands.text
    return line(
        ("● " if is_current else "  ", "live"),
        (pad(view.id, name_columns), "bold"),
        "  ",
        *marks,
        f"  {created:<10}  ",
        (f"{where:<13}", style),
        f"  {text}",
        cut=True,
    )
