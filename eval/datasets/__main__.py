"""``python -m eval.datasets``: validate a hand-written benchmark as an instrument; export a dataset's training rows."""

from __future__ import annotations

import argparse
import sys
from itertools import combinations
from pathlib import Path

from env.counts import counted
from env.installed.own_environment import enter

enter()

from env.refusal import Refusal
from env.silence import told, turn_to
from eval.datasets.loading import DatasetSettings, domain_of, is_generated, load_dataset
from eval.datasets.row_export import FORMATS, export
from eval.domains import Domain, dataset_names, open_verifier
from eval.pipeline.instrument import Validation, disagreements, sizes, validate
from eval.pipeline.verifier import VerifierSettings
from eval.records import Task

DEFAULT = "luantibench"


def main(arguments: list[str]) -> int:
    """Carry out the command; return 0, 3 when the benchmark is wrong somewhere, 2 when the command was refused."""
    options = _parser().parse_args(arguments)
    try:
        with told("reading the dataset"):
            code: int = options.run(options)
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return 2
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m eval.datasets", description=__doc__)
    commands = parser.add_subparsers(required=True)
    check = commands.add_parser(
        "validate", help="references pass, near misses and fixed answers fail, under each verifier"
    )
    check.add_argument(
        "--dataset", default=DEFAULT, choices=[n for n in sorted(dataset_names()) if not is_generated(n)]
    )
    check.add_argument("--verifier", action="append", help="repeatable; default: all usable")
    check.add_argument("--workers", type=int, default=2)
    check.add_argument("--engine", default="", help="an engine's folder or program; default: this machine's")
    check.set_defaults(run=_validate)
    rows = commands.add_parser("export", help="the training rows as JSON lines, for this project or another")
    rows.add_argument("--dataset", default=DEFAULT, choices=sorted(dataset_names()))
    rows.add_argument("--format", choices=FORMATS, default="instruction")
    rows.add_argument("--out", type=Path, required=True)
    rows.add_argument("--rows", type=int, default=960)
    rows.add_argument("--seed", type=int, default=0)
    rows.set_defaults(run=_export)
    return parser


def _validate(options: argparse.Namespace) -> int:
    settings = DatasetSettings(name=options.dataset, n_dev=0, n_test=0)
    domain, tasks = domain_of(settings), load_dataset(settings).tasks
    print(sizes(tasks))
    found = [
        validation
        for name in options.verifier or [name for name in domain.verifiers if name != "auto"]
        if (validation := _validated(domain, name, tasks, options)) is not None
    ]
    disagreeing = [line for one, other in combinations(found, 2) for line in disagreements(one, other)]
    for line in disagreeing:
        print(f"  disagree: {line}")
    return 3 if disagreeing or any(validation.faults for validation in found) else 0


def _validated(domain: Domain, name: str, tasks: tuple[Task, ...], options: argparse.Namespace) -> Validation | None:
    """Return the validation under one verifier; None where it is not usable here and was not requested by name."""
    settings = VerifierSettings(name=name, engine=options.engine, workers=options.workers)
    turn_to(f"verifying under {name}")
    try:
        with open_verifier(domain, settings) as verifier:
            validation = validate(tasks, verifier, domain.constant_answers)
    except Refusal as refusal:
        if options.verifier or options.engine:
            raise
        print(f"{name}: not usable here: {refusal}")
        return None
    print(
        f"{validation.verifier} ({verifier.isolation}): {counted(validation.judged, 'program')} verified, "
        f"{counted(len(validation.faults), 'fault')}, {counted(len(validation.skipped), 'task')} skipped"
    )
    for line in (*validation.faults, *validation.skipped):
        print(f"  {line}")
    return validation


def _export(options: argparse.Namespace) -> int:
    one = {"n_dev": 1, "n_test": 1, "n_train": options.rows, "seed": options.seed}
    export(load_dataset(DatasetSettings(name=options.dataset, **one)).rows, options.format, options.out)
    print(f"{options.out}: {counted(options.rows, 'row')} in {options.format} format")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
