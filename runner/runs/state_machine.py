"""The state machine of a run: one transition table guards live moves and replays histories."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import cache, cached_property
from typing import Any

from transitions import Machine, MachineError

import gates
from env.refusal import Refusal
from runner.runs.journal import Event, EventType

GATES: tuple[str, ...] = tuple(gates.GATES)
NEW = "new"
FINISHED = "finished"
PHASES: tuple[str, ...] = ("ready", "started", "stopped", "crashed", "failed")
STATES: tuple[str, ...] = (NEW, *(f"{gate}_{phase}" for gate in GATES for phase in PHASES), FINISHED)

logging.getLogger("transitions").setLevel(logging.WARNING)


class ImpossibleMove(Exception):
    """An event that the table does not allow in the current state."""

    def __init__(self, state: str, event: Event) -> None:
        super().__init__(f"{event.type}{' ' + event.gate if event.gate else ''} is not possible in state {state}")
        self.state = state
        self.event = event


def trigger_name(kind: EventType, gate: str) -> str:
    """Return the name under which the table lists an event: "gate_started_b", "run_created"."""
    return f"{kind}_{gate}" if gate else str(kind)


def state_after_passing(gate: str) -> str:
    """Return the state that follows a passed ``gate``: the next gate's "ready", or "finished"."""
    position = GATES.index(gate)
    return FINISHED if position == len(GATES) - 1 else f"{GATES[position + 1]}_ready"


def _gate_moves(gate: str) -> list[dict[str, Any]]:
    """Moves of one gate. A started gate may start again: that is a resume after a kill, which leaves no event."""

    def move(kind: EventType, source: list[str], dest: str) -> dict[str, Any]:
        return {"trigger": trigger_name(kind, gate), "source": source, "dest": dest}

    started = f"{gate}_started"
    startable = [f"{gate}_{phase}" for phase in ("ready", "started", "stopped", "crashed")]
    at_or_after = [f"{g}_{p}" for g in GATES[GATES.index(gate) :] for p in PHASES] + [FINISHED]
    reused = [move(EventType.GATE_REUSED, [f"{gate}_ready"], state_after_passing(gate))]
    return [
        *(reused if gates.GATES[gate].reusable else []),
        move(EventType.GATE_STARTED, startable, started),
        move(EventType.GATE_PASSED, [started], state_after_passing(gate)),
        move(EventType.GATE_FAILED, [started], f"{gate}_failed"),
        move(EventType.GATE_CRASHED, [started], f"{gate}_crashed"),
        move(EventType.GATE_STOPPED, [started], f"{gate}_stopped"),
        move(
            EventType.GATE_RETRIED,
            [f"{gate}_{p}" for p in ("failed", "crashed", "stopped", "started")],
            f"{gate}_ready",
        ),
        move(EventType.GATE_REWOUND, at_or_after, f"{gate}_ready"),
    ]


def transition_table() -> list[dict[str, Any]]:
    """Return every legal move of a run as transitions' dictionaries (trigger, source, dest)."""
    table: list[dict[str, Any]] = [{"trigger": str(EventType.RUN_CREATED), "source": NEW, "dest": "a_ready"}]
    settled = [state for state in STATES if state != NEW]
    table.append({"trigger": str(EventType.CONFIG_CHANGED), "source": settled, "dest": "="})
    for gate in GATES:
        table.extend(_gate_moves(gate))
    return table


class RunMachine:
    """A run's state, moved only by events that the table allows."""

    state: str

    def __init__(self, state: str = NEW) -> None:
        self.state = state

    @cached_property
    def machine(self) -> Machine:
        """The transitions machine: built for the first live move, since most runs are only read."""
        # auto_transitions would add to_X() methods that bypass every gate.
        return Machine(
            model=self, states=list(STATES), transitions=transition_table(), initial=self.state, auto_transitions=False
        )

    def apply(self, event: Event) -> str:
        """Move by ``event`` and return the new state. Raises ImpossibleMove, leaving the state as it was."""
        try:
            self.machine.dispatch(trigger_name(event.type, event.gate))
        except (MachineError, AttributeError):
            raise ImpossibleMove(self.state, event) from None
        return self.state

    def allows(self, kind: EventType, gate: str = "") -> bool:
        """Return whether an event of this kind would be legal now."""
        return trigger_name(kind, gate) in self.machine.get_triggers(self.state)

    @property
    def gate(self) -> str:
        """The run's current gate: "a" to "e"; "" when new or finished."""
        return "" if self.state in (NEW, FINISHED) else self.state.split("_")[0]

    @property
    def phase(self) -> str:
        """ "ready", "started", "stopped", "crashed" or "failed"; "new" or "finished" for the run itself."""
        return self.state if not self.gate else self.state.split("_")[1]


def replay(events: Iterable[Event], where: str = "events.jsonl") -> RunMachine:
    """Return the machine in the state that follows from this history.

    Raises:
        Refusal: the history is impossible; names the line.
    """
    state = NEW
    for event in events:
        after = _moves().get((state, trigger_name(event.type, event.gate)))
        if after is None:
            raise Refusal(
                f"{where}, line {event.seq}: {ImpossibleMove(state, event)}.",
                "The journal was edited; restore it, or start a new run with `python -m runner new`.",
            )
        state = after
    return RunMachine(state)


@cache
def _moves() -> dict[tuple[str, str], str]:
    """Return the table as (state, trigger) -> next state: a transitions machine for every run listed would be slow."""
    moves = {}
    for move in transition_table():
        sources = [move["source"]] if isinstance(move["source"], str) else move["source"]
        for source in sources:
            moves[source, move["trigger"]] = source if move["dest"] == "=" else move["dest"]
    return moves


def attempts(events: Iterable[Event]) -> dict[str, int]:
    """Return each gate's attempt number, from 1: a retry starts a new one, a rewind also one for all later gates."""
    count = dict.fromkeys(GATES, 1)
    for event in events:
        if event.type == EventType.GATE_RETRIED:
            count[event.gate] += 1
        elif event.type == EventType.GATE_REWOUND:
            for gate in GATES[GATES.index(event.gate) :]:
                count[gate] += 1
    return count
