"""A curation killed at its file calls, one after another, and resumed: ``python -m tests.faults.curation RECIPE FOLDER KILLS``.

One process forks for each: the code is imported once, and a child dies as by ``kill -9``. The calls are tapped as
those of a run are (tapping.py).
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path

from eval.curation import STAGES
from eval.curation.running import Planned, curate
from eval.curation.surroundings import PROGRAMS, code_in, code_of
from runner.runs.recipes import plan
from tests.faults.order import ORDER_VARIABLE, TRACE_VARIABLE, Act, Order, Point
from tests.faults.tapping import tap_this_process

ACTS = (Act.KILL_BEFORE, Act.KILL_AFTER, Act.TEAR)


def forked(act: Callable[[], None]) -> int:
    """Carry out ``act`` in a child; return its exit status, negative where a signal ended it."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            act()
            code = 0
        finally:
            sys.stderr.flush()
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def traced(planned: Planned, out: Path, trace: Path) -> list[Point]:
    """Curate undisturbed; return every call by which it changed a file."""
    os.environ[TRACE_VARIABLE] = str(trace)
    assert forked(lambda: _tapped(planned, out)) == 0
    del os.environ[TRACE_VARIABLE]
    counts: dict[tuple[str, ...], int] = {}
    points = []
    for line in trace.read_text(encoding="utf-8").splitlines():
        process, call, path = line.split("\t")
        counts[call, path] = counts.get((call, path), 0) + 1
        points.append(Point(process, call, path, counts[call, path]))
    return points


def struck(planned: Planned, out: Path, point: Point, act: Act) -> bool:
    """Curate until the fault at ``point`` ends it; whether it struck."""
    fired = out.parent / "fired"
    fired.unlink(missing_ok=True)
    order = Order(point, act, out, fired, out.parent / "state")
    os.environ[ORDER_VARIABLE] = order.to_text()
    status = forked(lambda: _tapped(planned, out))
    del os.environ[ORDER_VARIABLE]
    assert status in (0, -signal.SIGKILL), f"{point} {act}: ended with {status}"
    return fired.exists()


def _tapped(planned: Planned, out: Path) -> None:
    os.environ["LUAGATE_RESULTS"] = str(out)
    tap_this_process()
    curate(replace(planned, out=out))


def _undisturbed(planned: Planned, out: Path) -> None:
    curate(replace(planned, out=out))


def digests(out: Path) -> dict[str, str]:
    """Return the SHA-256 of every file of a curation but its lock."""
    files = sorted(path for path in out.rglob("*") if path.is_file() and path.suffix != ".lock")
    return {path.relative_to(out).as_posix(): sha256(path.read_bytes()).hexdigest() for path in files}


def main(recipe: str, folder: Path, kills: int, seed: int) -> int:
    """Print as JSON how many faults struck, and what differed from the undisturbed curation afterwards."""
    planned = plan(recipe, [], folder)
    # what every child would compute again: digests of the code are kept
    for stage in STAGES:
        code_of(stage.module)
    code_in("eval.domains.luanti", PROGRAMS)
    undisturbed = folder / "undisturbed"
    points = traced(planned, undisturbed, folder / "trace")
    expected = digests(undisturbed)
    stream = random.Random(seed)
    chosen = stream.sample(points, min(kills, len(points))) if kills else points
    count, differing = 0, {}
    for number, point in enumerate(chosen):
        acts = ACTS if point.call == "write" else ACTS[:2]
        out, act = folder / "struck", acts[number % len(acts)]
        shutil.rmtree(out, ignore_errors=True)
        count += struck(planned, out, point, act)
        assert forked(partial(_undisturbed, planned, out)) == 0, f"not resumed after {act} {point}"
        found = digests(out)
        if found != expected:
            differing[f"{act} {point}"] = sorted(set(found.items()) ^ set(expected.items()))
    print(json.dumps({"calls": len(points), "struck": count, "differing": differing}))
    return int(bool(differing))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
