"""The command line of the fault injection; prints its table, ends with 1 when anything was lost or differs."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from env.installed.own_environment import enter

enter()

from tests.faults.campaign import GATES, PROFILES, Strike, carry_out
from tests.faults.plan import Kind
from tests.faults.table import is_clean, lines, summary


def main() -> int:
    """Carry out a campaign and print what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--injections", type=int, default=150)
    parser.add_argument("--domain", default="luanti", choices=sorted(PROFILES))
    parser.add_argument("--gates", default="ABCDE", help="letters of the gates to strike")
    parser.add_argument(
        "--kinds", nargs="*", default=list(Kind), choices=list(Kind), metavar="KIND", help=", ".join(Kind)
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time")
    parser.add_argument("--keep", type=Path, help="a folder for the runs; those in which all went well are removed")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if not options.gates or set(options.gates.lower()) - set(GATES):
        parser.error("--gates: letters of A to E, such as BC")
    if options.keep is not None and options.keep.exists() and any(options.keep.iterdir()):
        parser.error(f"--keep: {options.keep} is not empty")
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="luagate-faults-") as scratch:
        folder = options.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        kinds = [Kind(name) for name in options.kinds]
        gates = options.gates.lower()
        runs = carry_out(folder, options.domain, options.injections, gates, kinds, options.seed, options.jobs, _tell)
    found = {**summary(runs), "seconds": round(time.monotonic() - began_s, 1)}
    print(json.dumps(found, indent=2) if options.json else "\n".join([*lines(found), f"{found['seconds']} s"]))
    return 0 if is_clean(found) else 1


def _tell(strike: Strike) -> None:
    wrong = [*(f"lost {name}" for name in strike.lost), *strike.problems]
    print(time.strftime("%H:%M:%S"), strike.injection, "; ".join(wrong) or "ok", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
