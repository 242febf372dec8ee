"""Which faults strike which gate: drawn by a seed from what an undisturbed run was seen to do."""

from __future__ import annotations

import random
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from tests.faults.order import Act, Point

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Kind(StrEnum):
    """What can happen to a run."""

    KILL_WORKER = "worker killed"
    KILL_SUPERVISOR = "supervisor killed"
    KILL_BOTH = "both killed"
    KILL_AT_CALL = "killed at a file call"
    TEAR = "killed in a write"
    CUT_POWER = "power cut at a file call"
    FILL_DISK = "disk full"
    MAKE_READ_ONLY = "disk read-only"
    STOP = "stop signal"


# How often each kind is drawn.
SHARES = {
    Kind.KILL_WORKER: 1,
    Kind.KILL_SUPERVISOR: 1,
    Kind.KILL_BOTH: 2,
    Kind.KILL_AT_CALL: 5,
    Kind.TEAR: 2,
    Kind.CUT_POWER: 3,
    Kind.FILL_DISK: 3,
    Kind.MAKE_READ_ONLY: 1,
    Kind.STOP: 2,
}
_ACTS = {
    Kind.KILL_AT_CALL: (Act.KILL_BEFORE, Act.KILL_AFTER),
    Kind.TEAR: (Act.TEAR,),
    Kind.CUT_POWER: (Act.CUT_POWER,),
    Kind.FILL_DISK: (Act.FILL_DISK,),
    Kind.MAKE_READ_ONLY: (Act.MAKE_READ_ONLY,),
}
# A resumed process makes fewer of these calls than an undisturbed one: one of the first is always reached.
_FIRST_CALLS = 2


@dataclass(frozen=True, slots=True)
class Survey:
    """What an undisturbed advance through one gate did: its file calls in order, and how long it took."""

    calls: tuple[tuple[str, str, str], ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Injection:
    """One fault.

    Attributes:
        when: 0 to 1, where in the gate it strikes; faults are tried in this order.
        point, act: for faults at a file call.
        signal: for faults at an instant.
    """

    kind: Kind
    gate: str
    when: float
    point: Point | None = None
    act: Act | None = None
    signal: int = signal.SIGKILL

    def __str__(self) -> str:
        where = f"{self.act}: {self.point}" if self.point else f"{signal.Signals(self.signal).name} at {self.when:.2f}"
        return f"gate {self.gate.upper()}, {self.kind} ({where})"


def quotas(count: int, gates: str, kinds: Sequence[Kind], chance: random.Random) -> dict[str, list[Kind]]:
    """Return ``count`` kinds dealt out to the gates; each kind comes as often as its share says, each gate evenly."""
    deck = [kind for kind in kinds for _ in range(SHARES[kind])]
    drawn: list[Kind] = []
    while len(drawn) < count:
        chance.shuffle(deck)
        drawn += deck
    return {gate: drawn[:count][place :: len(gates)] for place, gate in enumerate(gates)}


def draw(kind: Kind, gate: str, survey: Survey, chance: random.Random) -> Injection:
    """Return a fault of ``kind`` somewhere in ``gate``."""
    if kind not in _ACTS:
        number = chance.choice(SIGNALS) if kind is Kind.STOP else signal.SIGKILL
        return Injection(kind, gate, chance.random(), signal=number)
    writes_only = kind in (Kind.TEAR, Kind.FILL_DISK)
    places = [n for n, call in enumerate(survey.calls) if _strikeable(call) and (call[1] == "write" or not writes_only)]
    # first the file, then the call: a file that is written a hundred times counts as much as the report
    chosen = chance.choice(sorted({survey.calls[n][2] for n in places}))
    place = chance.choice([n for n in places if survey.calls[n][2] == chosen])
    process, call, path = survey.calls[place]
    nth = 1 + survey.calls[:place].count(survey.calls[place])
    point = Point(process, call, path, min(nth, chance.randint(1, _FIRST_CALLS)))
    return Injection(kind, gate, place / len(survey.calls), point, chance.choice(_ACTS[kind]))


def _strikeable(call: tuple[str, str, str]) -> bool:
    # how many log lines there are depends on time
    return not call[2].startswith("logs/") or call[1] == "open"
