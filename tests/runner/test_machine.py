"""The transition table: every legal move moves, every other is refused and changes nothing."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from env.refusal import Refusal
from runner.runs.journal import Event, EventType
from runner.runs.state_machine import (
    FINISHED,
    GATES,
    NEW,
    STATES,
    ImpossibleMove,
    RunMachine,
    attempts,
    replay,
    transition_table,
    trigger_name,
)

ALL_EVENTS = [(kind, gate) for kind in EventType for gate in (GATES if str(kind).startswith("gate_") else ("",))]


def event(kind: EventType, gate: str = "", seq: int = 1) -> Event:
    return Event(seq, "2026-01-01T00:00:00+00:00", kind, gate)


def legal_moves() -> dict[tuple[str, str], str]:
    """(state, trigger) -> state, written down from the design rather than taken from the table's code."""
    moves = {(NEW, "run_created"): "a_ready"}
    for state in STATES:
        if state != NEW:
            moves[state, "config_changed"] = state
    for position, gate in enumerate(GATES):
        after = FINISHED if gate == "e" else f"{GATES[position + 1]}_ready"
        for phase in ("ready", "started", "stopped", "crashed"):
            moves[f"{gate}_{phase}", f"gate_started_{gate}"] = f"{gate}_started"
        for phase in ("started", "stopped", "crashed", "failed"):
            moves[f"{gate}_{phase}", f"gate_retried_{gate}"] = f"{gate}_ready"
        moves[f"{gate}_started", f"gate_passed_{gate}"] = after
        if gate in "bcd":
            moves[f"{gate}_ready", f"gate_reused_{gate}"] = after
        moves[f"{gate}_started", f"gate_failed_{gate}"] = f"{gate}_failed"
        moves[f"{gate}_started", f"gate_crashed_{gate}"] = f"{gate}_crashed"
        moves[f"{gate}_started", f"gate_stopped_{gate}"] = f"{gate}_stopped"
        for later in GATES[position:]:
            for phase in ("ready", "started", "stopped", "crashed", "failed"):
                moves[f"{later}_{phase}", f"gate_rewound_{gate}"] = f"{gate}_ready"
        moves[FINISHED, f"gate_rewound_{gate}"] = f"{gate}_ready"
    return moves


@pytest.mark.parametrize("state", STATES)
def test_from_every_state_exactly_the_legal_events_move_and_they_move_where_the_design_says(state: str) -> None:
    legal = legal_moves()
    for kind, gate in ALL_EVENTS:
        machine = RunMachine()
        machine.machine.set_state(state)
        expected = legal.get((state, trigger_name(kind, gate)))
        assert machine.allows(kind, gate) == (expected is not None)
        if expected is None:
            with pytest.raises(ImpossibleMove):
                machine.apply(event(kind, gate))
            assert machine.state == state
        else:
            assert machine.apply(event(kind, gate)) == expected


def test_the_table_holds_no_move_that_the_design_does_not_name() -> None:
    listed = {
        (source, move["trigger"])
        for move in transition_table()
        for source in ([move["source"]] if isinstance(move["source"], str) else move["source"])
    }
    assert listed == set(legal_moves())


def test_there_is_no_shortcut_past_a_gate() -> None:
    assert not [name for name in dir(RunMachine()) if name.startswith("to_")]


def test_an_impossible_history_is_refused_with_its_line() -> None:
    history = [
        event(EventType.RUN_CREATED, seq=1),
        event(EventType.GATE_STARTED, "a", 2),
        event(EventType.GATE_PASSED, "b", 3),
    ]
    with pytest.raises(Refusal, match="line 3: gate_passed b is not possible in state a_started"):
        replay(history, "events.jsonl")


def test_an_event_of_an_unknown_gate_is_impossible_not_an_error() -> None:
    with pytest.raises(ImpossibleMove):
        RunMachine().apply(event(EventType.GATE_STARTED, "z"))


@settings(deadline=None)
@given(st.data())
def test_every_prefix_of_a_legal_history_replays_to_the_state_it_had(data: st.DataObject) -> None:
    machine, history, states = RunMachine(), [], []
    for seq in itertools.count(1):
        choices = [(kind, gate) for kind, gate in ALL_EVENTS if machine.allows(kind, gate)]
        kind, gate = data.draw(st.sampled_from(choices))
        history.append(event(kind, gate, seq))
        states.append(machine.apply(history[-1]))
        if seq == 12:
            break
    for length, state in enumerate(states, start=1):
        assert replay(history[:length]).state == state


def test_a_rewind_begins_new_attempts_of_that_gate_and_all_after_it() -> None:
    history = [
        event(EventType.GATE_RETRIED, "b"),
        event(EventType.GATE_REWOUND, "b"),
        event(EventType.GATE_REWOUND, "d"),
    ]
    assert attempts(history) == {"a": 1, "b": 3, "c": 2, "d": 3, "e": 3}
