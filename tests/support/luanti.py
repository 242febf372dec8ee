"""The Luanti domain as tests use it: its verifiers, its extraction, its benchmark and its rows' reader."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eval import domains
from eval.datasets import bench_files, public_format, public_tasks, task_files
from eval.datasets.formats import rows as row_files
from eval.domains.luanti import bench
from eval.domains.luanti.domain import DOMAIN, LUA
from eval.pipeline import extract as extraction
from eval.pipeline.verifier import Verifier, VerifierSettings
from eval.records import Candidate, Dataset, Row, Task

VERIFIERS = DOMAIN.verifiers
FAMILIES = tuple(DOMAIN.families)
CONSTANTS = DOMAIN.constant_answers
BENCH = Path(bench.__path__[0])


def open_verifier(settings: VerifierSettings) -> Verifier:
    """Return a running Luanti verifier."""
    return domains.open_verifier(DOMAIN, settings)


def extract(task: Task, text: str) -> Candidate:
    """Return the Lua program in ``text``."""
    return extraction.extract(task, text, LUA)


def read_bench(folder: Path = BENCH) -> tuple[Task, ...]:
    """Return the tasks of a folder in LuantiBench's layout."""
    return bench_files.read_bench("luantibench", folder, DOMAIN.families, DOMAIN.mod_name)


def read_rows(path: Path) -> tuple[Row, ...]:
    """Return the rows of a file."""
    return row_files.read_rows(path, DOMAIN.families).rows


def read_public(eval_path: Path, train_path: Path, seed: int) -> Dataset:
    """Return two files as a dataset."""
    return public_format.read_public(eval_path, train_path, public_tasks.Wanted(seed), 0, DOMAIN)


def build_tasks(items: Sequence[Row], source_name: str = "e.jsonl", **wanted: Any) -> public_tasks.Built:
    """Return items as tasks."""
    return public_tasks.build_tasks(items, public_tasks.Wanted(**({"seed": 0} | wanted)), source_name, DOMAIN)


def problems(tasks: tuple[Task, ...]) -> list[str]:
    """Return what is wrong with ``tasks``."""
    return task_files.problems(tasks, DOMAIN.families)


def require_sound(tasks: tuple[Task, ...], source: str) -> None:
    """Refuse unsound ``tasks``."""
    task_files.require_sound(tasks, source, DOMAIN.families)


def write_tasks(path: Path, tasks: tuple[Task, ...]) -> None:
    """Write ``tasks`` as JSON lines."""
    task_files.write_tasks(path, tasks, DOMAIN.families)


def read_tasks(path: Path) -> tuple[Task, ...]:
    """Return the tasks of a file."""
    return task_files.read_tasks(path, DOMAIN.families)
