"""Why a worker could not finish its gate: written by the dying worker, read by its supervisor."""

from __future__ import annotations

import json
import signal
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from env.files import write_atomic
from env.refusal import Refusal
from runner.exits import Exit


@dataclass(frozen=True, slots=True)
class Failure:
    """A gate that could not look.

    Attributes:
        kind: "refusal" (we know why and say what to do), "crash" (an exception), "killed" (a signal from outside).
        where: file and line of our code where an exception passed, "" otherwise.
    """

    kind: Literal["refusal", "crash", "killed"]
    sentence: str
    fix: str = ""
    where: str = ""

    @property
    def exit(self) -> Exit:
        """The exit code of an advance that ends so."""
        return Exit.REFUSED if self.kind == "refusal" else Exit.CRASHED


def failure_of(error: BaseException, project: Path) -> Failure:
    """Describe an exception in one sentence, with the deepest line of our own code that it passed."""
    if isinstance(error, Refusal):
        return Failure("refusal", error.sentence, error.fix)
    ours = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename.startswith(str(project)) and "site-packages" not in frame.filename
    ]
    where = f"{Path(ours[-1].filename).relative_to(project)}:{ours[-1].lineno}" if ours else ""
    first_line = str(error).strip().split("\n")[0]
    return Failure("crash", f"{type(error).__name__}: {first_line}"[:400], where=where)


def write_failure(path: Path, failure: Failure) -> None:
    """Leave ``failure`` for the supervisor."""
    write_atomic(path, json.dumps(asdict(failure), indent=2) + "\n")


def read_failure(path: Path, returncode: int) -> Failure:
    """Return what the worker left, or what its exit status alone tells when it left nothing."""
    try:
        return Failure(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        pass
    if returncode < 0:
        name = signal.Signals(-returncode).name
        hint = ": often the kernel, out of memory" if name == "SIGKILL" else ""
        return Failure("killed", f"the worker was killed by {name}{hint}", "Free memory or lower model.batch_size.")
    return Failure("crash", f"the worker ended with status {returncode} and left no word")
