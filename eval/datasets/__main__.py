"""``python -m eval.datasets``: validate a hand-written benchmark as an instrument; export a dataset's training rows."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import TypedDict

from env.counts import counted
from env.installed.own_environment import enter

enter()

from env.installed.invocation import as_started
from env.installed.typed_words import carried_out
from env.refusal import Refusal
from env.silence import told, turn_to
from eval.datasets.loading import DatasetSettings, domain_of, load_dataset
from eval.datasets.row_export import FORMATS, export
from eval.domains import Domain, dataset_names, domain_named, open_verifier
from eval.pipeline.instrument import Validation, disagreements, sizes, validate
from eval.pipeline.verifier import VerifierSettings
from eval.records import Task

DEFAULT = "luantibench"


class Limits(TypedDict):
    """The limits of one program that a benchmark is validated under, whatever an experiment allows."""

    timeout_s: float
    cpu_s: float
    memory_mb: int
    output_kb: int
    code_kb: int
    recycle_after: int
    require_isolation: str


LIMITS: Limits = {
    "timeout_s": 10.0,
    "cpu_s": 2.0,
    "memory_mb": 64,
    "output_kb": 64,
    "code_kb": 1024,
    "recycle_after": 2000,
    "require_isolation": "",
}


def main(arguments: Sequence[str]) -> int:
    """Carry out the command; return 0, 3 when the benchmark is wrong somewhere, 2 when the command was refused."""
    return carried_out(_run, arguments)


def _run(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    with told("reading the dataset"):
        code: int = options.run(options)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=as_started("python -m eval.datasets"), description=__doc__)
    commands = parser.add_subparsers(required=True)
    check = commands.add_parser(
        "validate", help="references pass, near misses and fixed answers fail, under each verifier"
    )
    check.add_argument("--dataset", default=DEFAULT, choices=_written_by_hand())
    check.add_argument("--verifier", action="append", help="repeatable; default: all usable")
    check.add_argument("--workers", type=int, default=2)
    check.add_argument("--vm", default="auto", help="what runs Lua for recorder and builtin: luajit21 or lua51")
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


def _written_by_hand() -> list[str]:
    return [
        name for name, domain in sorted(dataset_names().items()) if not domain_named(domain).datasets[name].generated
    ]


def _whole(name: str, rows: int = 1, seed: int = 0) -> DatasetSettings:
    """Return a dataset with all its tasks; one that is made to size gets one of each split."""
    few = int(domain_named(dataset_names()[name]).datasets[name].generated)
    return DatasetSettings(
        name=name, domain=None, eval=None, train=None, family=None, format="auto", turns="auto", thoughts="kept",
        seed=seed, dev_tasks=few, test_tasks=few, rows=rows, shuffle_answers=False, exclude_broken_references=False,
        mod_name=None, waived=(), system_turns="auto",
    )  # fmt: skip


def _validate(options: argparse.Namespace) -> int:
    settings = _whole(options.dataset)
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
    settings = VerifierSettings(name=name, engine=options.engine, workers=options.workers, vm=options.vm, **LIMITS)
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
    dataset = load_dataset(_whole(options.dataset, options.rows, options.seed))
    export(dataset.rows, options.format, options.out)
    print(f"{options.out}: {counted(options.rows, 'row')} in {options.format} format")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
