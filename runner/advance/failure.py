"""Why a worker could not finish its gate: written by the dying worker, read by its supervisor."""

from __future__ import annotations

import json
import signal
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from env.files import write_atomic
from env.machine.out_of_memory import DeviceLost, ran_out_of_memory
from env.refusal import Refusal
from runner.runs.exit_codes import Exit

if TYPE_CHECKING:
    from runner.advance.supervisor import Ending


@dataclass(frozen=True, slots=True)
class Failure:
    """A gate that could not finish.

    Attributes:
        kind: "refusal" (we know why and say what to do), "crash" (an exception), "memory" (there was not enough),
            "killed" (a signal from outside), "stalled" (no progress, and its supervisor ended it).
        where: file and line of luagate's code that raised, "" otherwise.
        rows: that generated together when the GPU was lost: a new worker with fewer can go on; 0 otherwise.
    """

    kind: Literal["refusal", "crash", "memory", "killed", "stalled"]
    sentence: str
    fix: str = ""
    where: str = ""
    rows: int = 0

    @property
    def exit(self) -> Exit:
        """The exit code of an advance that ends this way."""
        return Exit.REFUSED if self.kind == "refusal" else Exit.CRASHED


def failure_of(error: BaseException, project: Path) -> Failure:
    """Describe an exception in one sentence, with the deepest line of luagate's own code in its traceback."""
    if isinstance(error, Refusal):
        return Failure("refusal", error.sentence, error.fix)
    ours = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename.startswith(str(project)) and "site-packages" not in frame.filename
    ]
    where = f"{Path(ours[-1].filename).relative_to(project)}:{ours[-1].lineno}" if ours else ""
    first_line = str(error).strip().split("\n")[0]
    kind: Literal["memory", "crash"] = (
        "memory" if ran_out_of_memory(error) or isinstance(error, DeviceLost) else "crash"
    )
    rows = error.rows if isinstance(error, DeviceLost) else 0
    return Failure(kind, f"{type(error).__name__}: {first_line}"[:400], where=where, rows=rows)


def write_failure(path: Path, failure: Failure) -> None:
    """Write ``failure`` for the supervisor."""
    write_atomic(path, json.dumps(asdict(failure), indent=2) + "\n")


def read_failure(path: Path) -> Failure | None:
    """Return the worker's failure report; None without a readable one."""
    try:
        return Failure(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def unspoken_failure(ending: Ending) -> Failure:
    """Return what a worker's exit status shows when it left no failure report."""
    if ending.returncode >= 0:
        return Failure("crash", f"the worker exited with status {ending.returncode} without an error report")
    name = signal.Signals(-ending.returncode).name
    memory = f"; it last used {ending.pulse.rss_mb / 1e3:.1f} GB" if ending.pulse is not None else ""
    if name != "SIGKILL":
        return Failure("killed", f"the worker was killed by {name}{memory}")
    kills = ending.oom_kills
    if kills.count:
        return Failure("memory", f"the worker was killed by SIGKILL: out of memory, by the kernel's own count{memory}")
    if kills.count is None:
        return Failure("killed", f"the worker was killed by SIGKILL: often the kernel, out of memory{memory}")
    return Failure(
        "killed", f"the worker was killed by SIGKILL from outside: no out-of-memory kill was recorded{memory}"
    )
