"""An order: at which file call of which process a fault strikes, and which fault; travels in the environment."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

ORDER_VARIABLE = "LUAGATE_TEST_FAULT"
TRACE_VARIABLE = "LUAGATE_TEST_TRACE"
# On an interpreter's path, this folder lets it carry out orders.
HOOK = Path(__file__).resolve().parent / "hook"

_TEMP = re.compile(r"\.(?P<name>[^/]+?)\.\d+(?:-\d+)?\.(?:tmp|partial)(?=/|$)")
_RUN = re.compile(r"^\.?\d{4}-\d\d-\d\d_[^/]+?(?:\.new)?(?:/|$)")


class Act(StrEnum):
    """What happens at the call."""

    KILL_BEFORE = "kill before"
    KILL_AFTER = "kill after"
    TEAR = "tear"
    CUT_POWER = "cut power"
    FILL_DISK = "fill disk"
    MAKE_READ_ONLY = "make read-only"
    HOLD = "hold"


@dataclass(frozen=True, slots=True)
class Point:
    """A file call by name: the ``nth`` (from 1) such call on ``path`` in one process.

    Attributes:
        process: "supervisor" or "worker".
        call: the function's name, such as "write", "fsync", "replace", "open", "mkdir".
        path: relative to the run's folder; temporary names end in "~" and carry no process id.
    """

    process: str
    call: str
    path: str
    nth: int = 1

    def __str__(self) -> str:
        return f"{self.process} {self.call} {self.path} #{self.nth}"


@dataclass(frozen=True, slots=True)
class Order:
    """One fault.

    Attributes:
        root: the results folder; calls elsewhere neither count nor fail.
        fired: a file outside of it, written when the fault strikes.
        state: a file outside of it that tells both processes of a full or read-only disk, or lets a held one go on.
        room_bytes: what still fits on the disk when it fills.
    """

    point: Point
    act: Act
    root: Path
    fired: Path
    state: Path
    room_bytes: int = 0

    def to_text(self) -> str:
        """Return the order as it stands in the environment."""
        return json.dumps(asdict(self), default=str)


def order_of(text: str) -> Order:
    """Return the order that ``to_text`` wrote."""
    raw = json.loads(text)
    point, act = Point(**raw.pop("point")), Act(raw.pop("act"))
    paths = {key: Path(raw.pop(key)) for key in ("root", "fired", "state")}
    return Order(point, act, **paths, **raw)


def place(path: str, root: str) -> str | None:
    """Return ``path`` as points name it; None outside of ``root``."""
    if path != root and not path.startswith(root + "/"):
        return None
    inside = _RUN.sub("", path[len(root) + 1 :])
    return _TEMP.sub(r"\g<name>~", inside) or "."
