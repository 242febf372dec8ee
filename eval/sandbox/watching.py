"""How long a program is waited for: CPU time decides, and wall time only where the program does not want the CPU.

A machine under load gives a program little CPU time in much wall time. The kernel tells the two apart: it counts how
long threads stood in line for a CPU, and says which of them would run now. Time in that line is not the program's.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

LOOK_S = 0.5  # between looks at a program whose time is over and that wants the CPU
# A program that the machine keeps waiting for so many times its wall time is missing data.
PATIENCE = 30
# Beyond its CPU time a program ends itself, or is ended: whoever used this much more was not.
CPU_MARGIN_S = 1.0
CPU_MARGIN = 1.5
# States of /proc and ps in which a thread wants the CPU or was stopped by somebody: running, in line, stopped, traced.
WANTING = frozenset("RTt")
PS_TIMEOUT_S = 10


@dataclass(frozen=True, slots=True)
class Look:
    """A process with its threads and descendants, at one moment.

    Attributes:
        cpu_s: CPU seconds of its life.
        in_line_s: seconds that its threads stood in line for a CPU, summed; 0 where the kernel does not count them.
        wants_cpu: one of its threads runs, would run, or was stopped from outside.
    """

    cpu_s: float
    in_line_s: float = 0.0
    wants_cpu: bool = False


def look_at(pid: int) -> Look | None:
    """Return what /proc says of a process and its descendants, else ``ps`` of the process; None where neither does."""
    try:
        looks = list(_tree(pid))
    except OSError:
        return _by_ps(pid)
    return Look(
        sum(look.cpu_s for look in looks),
        sum(look.in_line_s for look in looks),
        any(look.wants_cpu for look in looks),
    )


def _tree(pid: int) -> Iterator[Look]:
    fields = _stat(Path(f"/proc/{pid}/stat"))
    threads = list(Path(f"/proc/{pid}/task").iterdir())
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    cpu_s = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    yield Look(cpu_s, sum(map(_in_line_s, threads)), any(_stat(thread / "stat")[0] in WANTING for thread in threads))
    for child in children:
        with suppress(OSError):  # it has ended meanwhile
            yield from list(_tree(int(child)))


def _stat(path: Path) -> list[str]:
    """Return the fields behind the program's name, state first."""
    return path.read_text().rpartition(")")[2].split()


def _in_line_s(thread: Path) -> float:
    try:
        return int((thread / "schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0


def _by_ps(pid: int) -> Look | None:
    words = ["ps", "-o", "state=,time=", "-p", str(pid)]
    try:
        said = subprocess.run(words, capture_output=True, text=True, timeout=PS_TIMEOUT_S, check=True).stdout
        return look_of_ps(said)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


def look_of_ps(said: str) -> Look:
    """Return a look from a line of ``ps -o state=,time=``, such as "R+ 0:02.50" (macOS) or "S 1-02:03:04" (Linux).

    Raises:
        ValueError: it is no such line.
    """
    state, used = said.split()
    days, _, clock = used.rpartition("-")
    cpu_s = 0.0
    for part in clock.split(":"):
        cpu_s = 60 * cpu_s + float(part)
    return Look(cpu_s + 86400 * int(days or 0), wants_cpu=state[0] in WANTING)


class Patience:
    """The seconds that are left of waiting for one program: a deadline for ``wire.read_frame``.

    Once ``timeout_s`` have passed it looks. A program is waited for no longer when it has used more CPU time than it
    may, or when it spent ``timeout_s`` more neither in line for a CPU nor wanting one. ``look`` returns what there is
    to see of the child, its CPU time counted from the program's start; None where the system says nothing.
    """

    def __init__(
        self,
        look: Callable[[], Look | None],
        timeout_s: float,
        cpu_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._look, self._timeout_s, self._clock = look, timeout_s, clock
        self._cpu_limit_s = CPU_MARGIN * cpu_s + CPU_MARGIN_S
        self._ends = clock() + timeout_s
        self._gives_up = clock() + PATIENCE * max(timeout_s, cpu_s)
        self._watched: tuple[float, Look] | None = None  # since when, and what there was to see then

    def __call__(self) -> float:
        """Return how many seconds to wait before asking again; 0 or less: no longer."""
        now = self._clock()
        if now >= self._ends and now < self._gives_up:
            self._ends = min(now + self._more_s(now), self._gives_up)
        return self._ends - now

    def _more_s(self, now: float) -> float:
        look = self._look()
        if look is None:
            return LOOK_S
        if look.cpu_s > self._cpu_limit_s:
            return 0.0
        since, first = self._watched = self._watched or (now, look)
        own_s = now - since - (look.in_line_s - first.in_line_s)
        if own_s < self._timeout_s:
            return max(LOOK_S, self._timeout_s - own_s)
        return LOOK_S if look.wants_cpu else 0.0
