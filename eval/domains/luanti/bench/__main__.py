"""Validate the benchmark as an instrument under each verifier available here."""

from __future__ import annotations

import argparse
import sys
from itertools import combinations

from env.installed.own_environment import enter

enter()

from env.refusal import Refusal
from eval.datasets.loading import DatasetSettings, load_dataset
from eval.domains import open_verifier
from eval.domains.luanti.domain import DOMAIN
from eval.domains.luanti.verify.engine.installation import ENGINE_VARIABLE
from eval.pipeline.instrument import Validation, disagreements, sizes, validate
from eval.pipeline.verifier import VerifierSettings
from eval.records import Task


def main(arguments: list[str]) -> int:
    """Validate and print; return 0 when nothing is wrong, 3 when something is, 2 when it could not be examined."""
    parser = argparse.ArgumentParser(prog="python -m eval.domains.luanti.bench", description=__doc__)
    parser.add_argument("command", choices=["validate"])
    parser.add_argument(
        "--verifier", action="append", choices=sorted(DOMAIN.verifiers), help="repeatable; default: all usable"
    )
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--engine", default="", help=f"its folder or program; default: ${ENGINE_VARIABLE}, else this machine's"
    )
    options = parser.parse_args(arguments)
    try:
        tasks = load_dataset(DatasetSettings(name="luantibench", n_dev=0, n_test=0)).tasks
        print(sizes(tasks))
        found = [
            validation
            for name in options.verifier or [name for name in DOMAIN.verifiers if name != "auto"]
            if (validation := _validated(name, tasks, options)) is not None
        ]
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return 2
    disagreeing = [line for one, other in combinations(found, 2) for line in disagreements(one, other)]
    for line in disagreeing:
        print(f"  disagree: {line}")
    return 3 if disagreeing or any(validation.faults for validation in found) else 0


def _validated(name: str, tasks: tuple[Task, ...], options: argparse.Namespace) -> Validation | None:
    """Return the validation under one verifier; None where it is not usable here and was not requested by name."""
    settings = VerifierSettings(name=name, engine=options.engine, workers=options.workers)
    try:
        with open_verifier(DOMAIN, settings) as verifier:
            validation = validate(tasks, verifier, DOMAIN.constant_answers)
    except Refusal as refusal:
        if options.verifier or options.engine:
            raise
        print(f"{name}: not usable here: {refusal}")
        return None
    print(
        f"{validation.verifier} ({verifier.isolation}): {validation.judged} programs verified, "
        f"{len(validation.faults)} faults, {len(validation.skipped)} tasks skipped"
    )
    for line in (*validation.faults, *validation.skipped):
        print(f"  {line}")
    return validation


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
