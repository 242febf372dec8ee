"""What training may hold nothing of: the tasks of the project's benchmarks, and the items of eval files."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from env.files import sha256_file
from env.refusal import Refusal, choices_hint
from eval.curation.surroundings import code_in
from eval.datasets.bench_files import read_bench
from eval.datasets.formats.rows import read_source
from eval.domains import Domain, dataset_names, domain_named
from eval.records import Row, Task


def digests(names: Sequence[str], files: Sequence[str]) -> dict[str, Any]:
    """Return the digest of each benchmark and file. Raises Refusal where there is none of that name."""
    for file in files:
        if not Path(file).exists():
            raise Refusal(f"decontaminate.files: there is no {file}.", "Name a file of eval items, or take it out.")
    return {
        "benchmarks": {name: code_in(_source(name).tasks, (".yaml",)) for name in names},
        "files": [sha256_file(Path(file)) for file in files],
    }


def tasks_by_source(names: Sequence[str], files: Sequence[str], domain: Domain) -> dict[str, tuple[Task, ...]]:
    """Return, by benchmark and file, the tasks of the one and every item of the other, with a check or without."""
    return {name: _bench(name) for name in names} | {
        Path(file).name: tuple(_task(file, row) for row in read_source(Path(file), domain).rows) for file in files
    }


def _source(name: str) -> Any:
    written = sorted(one for one, domain in dataset_names().items() if not domain_named(domain).datasets[one].generated)
    if name not in written:
        raise Refusal(f'decontaminate.benchmarks: no benchmark "{name}".', choices_hint(name, written))
    return domain_named(dataset_names()[name]).datasets[name]


def _bench(name: str) -> tuple[Task, ...]:
    domain = domain_named(dataset_names()[name])
    package = import_module(domain.datasets[name].tasks)
    # its worlds' briefs are no part of what a row could repeat
    return read_bench(name, Path(package.__path__[0]), domain.families, domain.mod_name)


def _task(file: str, row: Row) -> Task:
    return Task(
        id=f"{Path(file).name}:{row.line}",
        family=row.family,
        kind=row.kind,
        cluster="",
        split="test",
        instruction=row.instruction,
        input=row.input,
        answer="code",
        reference=row.output,
        checks=(),
    )
