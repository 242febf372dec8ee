"""The state of a run: pure data for screens and --json, without loading a gate."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from env.heartbeat import Pulse, age_s, clock_gap_s, clock_name, idle_for_s, read_heartbeat
from env.locking import Holder, holder
from eval.decision.ruling import Ruling, ruling_of
from gates import gate_title, stores
from runner.launch.tmux import attach_command
from runner.runs.folder import Run, command
from runner.runs.journal import Event, EventType
from runner.runs.state_machine import FINISHED, GATES
from runner.runs.stop_note import StopNote, read_stop_note
from runner.views.origin import Origin, edits_by_hand, origin

GateState = Literal[
    "passed", "failed", "inconclusive", "crashed", "stopped", "running", "interrupted", "ready", "waiting"
]
# A gate in one of these has looked and concluded; "inconclusive" is Gate E's own third answer, neither yes nor no.
CONCLUDED: tuple[GateState, ...] = ("passed", "failed", "inconclusive")
# A worker's thread writes a pulse after 4 s of silence: a minute without one is a frozen process or a swapping machine.
SILENT_AFTER_S = 60.0
# A screen then reports no progress; only the supervisor decides when that is a stall (conf: watch).
IDLE_AFTER_S = 120.0


@dataclass(frozen=True, slots=True)
class GateView:
    """One gate's line.

    Attributes:
        at: ISO time of the event that put it into its state; "" when waiting.
        seconds: time spent on it; None when it has not started.
        text: its headline, its failure, or its plan.
    """

    gate: str
    title: str
    state: GateState
    at: str
    seconds: float | None
    text: str
    attempt: int


@dataclass(frozen=True, slots=True)
class RunView:
    """A run as a screen shows it.

    Attributes:
        pulse: the last one of the session that runs now; None where none runs, or none has been written yet.
        pulse_age_s, idle_s: seconds since that pulse, and since phase or count last changed.
        clock_gap_s: how far the clock was set since, or another machine's is ahead (env.heartbeat.clock_gap_s).
        last_pulse: the last one of any session.
        restarted: this machine was restarted since that pulse.
        attach: the command that shows the tmux session it runs in; "" where it runs in none that can be reached.
        next_command: what the user types next; "" while it runs.
        failure: the crashed event's data (sentence, fix, where), {} otherwise.
        hand_edits: what somebody wrote into its config.yaml and no advance has recorded yet; where it was looked for.
        stopping: the request to stop that the running gate is obeying; None where there is none.
    """

    id: str
    folder: str
    profile: str
    created_at: str
    git: str
    state: str
    gates: tuple[GateView, ...]
    running: bool
    holder: Holder | None
    pulse: Pulse | None
    pulse_age_s: float | None
    idle_s: float | None
    clock_gap_s: float
    last_pulse: Pulse | None
    restarted: bool
    attach: str
    failure: dict[str, Any]
    next_command: str
    decision: str
    origin: Origin
    hand_edits: tuple[str, ...]
    stopping: StopNote | None = None


def view_run(run: Run, look_for_edits: bool = False) -> RunView:
    """Return the view of an opened run. A run is running exactly while its lock is held."""
    held_by = holder(run.folder / "run.lock")
    last_pulse = read_heartbeat(run.folder / "heartbeat.json") if held_by or run.machine.state != FINISHED else None
    pulse = last_pulse if held_by is not None and _is_of(last_pulse, held_by, run.machine.gate) else None
    age = age_s(pulse) if pulse is not None else None
    plans = _plans(run.folder) if run.machine.state != FINISHED else {}
    shown = pulse if held_by is not None else last_pulse
    gates = tuple(_gate_view(run, gate, held_by is not None, shown, age or 0.0, plans) for gate in GATES)
    last = {(e.type, e.gate): e for e in run.journal.events}
    crash = last.get((EventType.GATE_CRASHED, run.machine.gate)) if run.machine.phase == "crashed" else None
    return RunView(
        id=run.id,
        folder=str(run.folder),
        profile=run.info.profile,
        created_at=run.info.created_at,
        git=run.info.git,
        state=run.machine.state,
        gates=gates,
        running=held_by is not None,
        holder=held_by,
        pulse=pulse,
        pulse_age_s=age,
        idle_s=idle_for_s(pulse, age) if pulse is not None and age is not None else None,
        clock_gap_s=clock_gap_s(pulse) if pulse is not None else 0.0,
        last_pulse=last_pulse,
        restarted=last_pulse is not None and _restarted_since(last_pulse),
        attach=attach_command(pulse) if pulse is not None and pulse.tmux else "",
        failure=dict(crash.data) if crash is not None else {},
        next_command=next_command(run, running=held_by is not None),
        decision=gates[-1].text if gates[-1].state in CONCLUDED else "",
        origin=origin(run),
        hand_edits=edits_by_hand(run) if look_for_edits else (),
        stopping=read_stop_note(run.folder) if held_by is not None else None,
    )


def _is_of(pulse: Pulse | None, held_by: Holder, gate: str) -> bool:
    """Whether a pulse comes from this gate's worker in the session that holds the lock.

    Where the lock or the pulse does not name its session, this is assumed.
    """
    if pulse is None or pulse.gate != gate:
        return False
    if not pulse.supervisor_pid or not held_by.pid:
        return True
    return (pulse.supervisor_pid, pulse.host) == (held_by.pid, held_by.host)


def _restarted_since(pulse: Pulse) -> bool:
    here = clock_name()
    return bool(here and pulse.clock) and pulse.host == socket.gethostname() and pulse.clock != here


def next_command(run: Run, running: bool) -> str:
    """Return the next command."""
    return command(run.folder, next_verb(run, running))


def next_verb(run: Run, running: bool) -> str:
    """Return what the next command does: advance, retry, report or status --watch."""
    if running:
        return "status --watch"
    if run.machine.state != FINISHED and run.machine.phase != "failed":
        return "advance"
    decided = run.machine.state == FINISHED or stores(run.machine.gate, "decision")
    return "report" if decided else "retry"


def _plans(folder: Path) -> dict[str, str]:
    try:
        plans = json.loads((folder / "plans.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {gate: text for gate, text in plans.items() if isinstance(text, str)} if isinstance(plans, dict) else {}


def _gate_view(run: Run, gate: str, held: bool, pulse: Pulse | None, age: float, plans: dict[str, str]) -> GateView:
    attempt = run.attempts[gate]
    event = next((event for event in reversed(run.journal.events) if event.gate == gate), None)
    if gate != run.machine.gate and run.has_concluded(gate) and event is not None:
        return _ended(gate, "passed", event, attempt)
    if gate != run.machine.gate:
        return GateView(gate, gate_title(gate), "waiting", "", None, plans.get(gate, ""), attempt)
    if run.machine.phase == "started" and event is not None:
        mine = pulse if pulse is not None and pulse.gate == gate else None
        state: GateState = "running" if held else "interrupted"
        spent_s = _spent_s(run, gate, pulse) + (age if mine else 0.0)
        return GateView(gate, gate_title(gate), state, event.at, spent_s, progress_text(mine), attempt)
    if run.machine.phase == "ready" or event is None:
        return GateView(gate, gate_title(gate), "ready", "", None, plans.get(gate, ""), attempt)
    states: dict[str, GateState] = {
        "failed": state_without_pass(str(event.data.get("headline", ""))),
        "crashed": "crashed",
        "stopped": "stopped",
    }
    ended = _ended(gate, states[run.machine.phase], event, attempt)
    return ended if ended.seconds is not None else replace(ended, seconds=_spent_s(run, gate, pulse))


def state_without_pass(headline: str) -> GateState:
    """Return what a gate that concluded without passing said: no, or that its numbers settle neither."""
    return "inconclusive" if ruling_of(headline) is Ruling.INCONCLUSIVE else "failed"


def _spent_s(run: Run, gate: str, pulse: Pulse | None) -> float:
    """Return the seconds spent on a gate that has not concluded, as of its last pulse."""
    started = (e for e in reversed(run.journal.events) if e.type == EventType.GATE_STARTED and e.gate == gate)
    before_s = next((float(event.data.get("elapsed_before_s", 0.0)) for event in started), 0.0)
    return before_s + (pulse.elapsed_s if pulse is not None and pulse.gate == gate else 0.0)


def _ended(gate: str, state: GateState, event: Event, attempt: int) -> GateView:
    text = str(event.data.get("headline") or event.data.get("sentence") or "")
    source = event.data.get("source")
    if event.type == EventType.GATE_REUSED and isinstance(source, dict):
        text = f"{text} · reused from {source.get('run')}"
    seconds = event.data.get("seconds")
    return GateView(gate, gate_title(gate), state, event.at, seconds, text, attempt)


def progress_text(pulse: Pulse | None) -> str:
    """Return 'sampling 850/1500 samples  loss 0.9' of a pulse; "" without one."""
    if pulse is None:
        return ""
    count = f" {pulse.done}/{pulse.total} {pulse.unit}".rstrip() if pulse.total else ""
    return f"{pulse.phase}{count}  {pulse.message}".rstrip()
