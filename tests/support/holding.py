"""Hold a run's worker at one file call, so that a test strikes it there and not where a timer happens to find it."""

from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.faults.order import HOOK, ORDER_VARIABLE, Act, Order, Point
from tests.support.runs import DEADLINE_S, PROJECT, is_alive, kill_group, only_run, start, wait_until

# Each gate in the middle of its own work. Held at a write, it has done what it is about to store.
AT_WORK = {
    "b": Point("worker", "write", "gate_b/samples.jsonl", 2),
    "c": Point("worker", "write", "gate_c/metrics.jsonl", 5),
    "d": Point("worker", "write", "gate_d/cells/step-000003_x1.00/samples.jsonl"),
    "e": Point("worker", "write", "gate_e/samples.jsonl"),
}


@dataclass(frozen=True, slots=True)
class Held:
    """A hold of the worker of a run under ``results`` at ``point``."""

    results: Path
    point: Point

    @property
    def variables(self) -> dict[str, str]:
        """The environment in which an advance carries it out."""
        order = Order(self.point, Act.HOLD, self.results, self._reached, self._free)
        return {"PYTHONPATH": os.pathsep.join((str(HOOK), str(PROJECT))), ORDER_VARIABLE: order.to_text()}

    @property
    def is_reached(self) -> bool:
        """Whether the worker is, or was, held."""
        return self._reached.exists() and bool(self._reached.read_text(encoding="utf-8"))

    def wait(self, process: subprocess.Popen[str] | None = None) -> int:
        """Wait until the worker is held; return its pid."""
        wait_until(lambda: self.is_reached, str(self.point), process)
        return int(self._reached.read_text(encoding="utf-8"))

    def times_asked(self) -> int:
        """Return how often workers of the run have been asked to stop so far, and know it."""
        logs = (only_run(self.results) / "logs").glob("gate_*.log")
        return sum(path.read_text(encoding="utf-8").count("stop requested by") for path in logs)

    def let_go(self) -> None:
        """Let the worker go on."""
        self._free.touch()

    @property
    def _reached(self) -> Path:
        return self._beside("reached")

    @property
    def _free(self) -> Path:
        return self._beside("free")

    def _beside(self, word: str) -> Path:
        return self.results.with_name(f"{self.results.name}.{self.point}.{word}".replace("/", "_"))


@dataclass(frozen=True, slots=True)
class HeldAdvance:
    """A started advance whose worker is held."""

    process: subprocess.Popen[str]
    worker: int
    held: Held

    def stop(self, *signals: int) -> str:
        """Send ``signals`` to the supervisor, let the worker go on once it knows, and return what was printed."""
        for number in signals:
            before = self.held.times_asked()
            os.kill(self.process.pid, number)
            wait_until(lambda: self.held.times_asked() > before or not is_alive(self.worker), "a stop")  # noqa: B023
        self.held.let_go()
        return self.process.communicate(timeout=DEADLINE_S)[0]

    def kill(self) -> None:
        """SIGKILL supervisor and worker."""
        kill_group(self.process)
        os.kill(self.worker, signal.SIGKILL)
        wait_until(lambda: not is_alive(self.worker), "the worker is dead")


def advance_until(point: Point, *arguments: str, results: Path) -> HeldAdvance:
    """Start ``advance`` with ``arguments`` and return once its worker is held at ``point``."""
    held = Held(results, point)
    process = start("advance", *arguments, results=results, more=held.variables)
    return HeldAdvance(process, held.wait(process), held)
