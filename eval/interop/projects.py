"""Programs in files, of any origin: each file by itself, or a whole mod or place as one program."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from env.files import is_device_or_pipe
from env.refusal import Refusal
from env.silence import turn_to
from eval.domains import DOMAINS, Domain, Project, Projects, domain_named

# Larger files are no programs that anyone wrote.
MAX_BYTES = 4 * 1024 * 1024
_SUFFIXES = (".lua", ".luau")


@dataclass(frozen=True, slots=True)
class Found:
    """The programs that paths hold, and the domain that all of them are of, with how that was found."""

    domain: Domain
    why: str
    projects: tuple[Project, ...]


def find_projects(paths: Sequence[Path], domain: str = "") -> Found:
    """Return the programs of files and folders, in the order of ``paths``, inside a folder by name.

    A folder that a domain knows as a project (a mod with its ``init.lua``, a place with its project file) is one
    program. Any other folder is searched, without hidden folders and links: each file is a program by itself.

    Args:
        domain: its name; "" finds out from the files.

    Raises:
        Refusal: a path is missing or cannot be read, holds no program, or the domain cannot be told.
    """
    for path in paths:
        if not path.exists():
            raise Refusal(f"{path}: no such file or folder.", "Give Lua or Luau files, a mod, or a folder of them.")
        if is_device_or_pipe(path):
            raise Refusal(f"{path} is a device or a pipe, not a file.", "Write the program to a file first.")
    alone = [project for path in paths for project in _search(path, None)]
    if not alone:
        raise Refusal(
            f"{paths[0]} holds no program." if len(paths) == 1 else f"None of the {len(paths)} paths holds a program.",
            f"Programs end in {' or '.join(_SUFFIXES)}.",
        )
    chosen, why = (domain_named(domain), "requested") if domain else told_domain(alone)
    known: Projects | None = import_module(chosen.projects) if chosen.projects else None  # type: ignore[assignment]
    return Found(chosen, why, tuple(project for path in paths for project in _search(path, known)))


def read_program(path: Path) -> str:
    """Return a program's text without a byte order mark. Raises Refusal where it is too long or cannot be read."""
    try:
        if (size := path.stat().st_size) > MAX_BYTES:
            raise Refusal(
                f"{path} has {size:,} bytes, more than {MAX_BYTES:,}.", "No program is so long: leave it out."
            )
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refusal(f"{path}: byte {error.start} is no UTF-8.", "Save it as UTF-8.") from None
    except OSError as error:
        raise Refusal(f"{path}: cannot be read ({error.strerror}).", "Give a file that you may read.") from None


def _search(path: Path, projects: Projects | None) -> Iterator[Project]:
    if not path.is_dir():
        yield _alone(path)
        return
    turn_to(f"looking through {path}")
    whole = projects.project_in(path, read_program) if projects is not None else None
    if whole is not None:
        yield whole
        return
    for entry in sorted(os.scandir(path), key=lambda entry: entry.name):
        if entry.is_symlink() or entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _search(Path(entry.path), projects)
        elif entry.name.endswith(_SUFFIXES):
            yield _alone(Path(entry.path))


def _alone(path: Path) -> Project:
    text = read_program(path)
    return Project(str(path), text, {path.name: text})


def told_domain(programs: Sequence[Project]) -> tuple[Domain, str]:
    """Return the domain whose own words the programs use most, else whose files end so, with that as a clause.

    Raises:
        Refusal: nothing tells them apart.
    """
    domains = [domain_named(name) for name in DOMAINS]
    counts = {
        domain.name: sum(len(domain.own_words.findall(program.code)) for program in programs)
        for domain in domains
        if domain.own_words is not None
    }
    most = max(counts.values(), default=0)
    best = [name for name, count in counts.items() if count == most]
    if most and len(best) == 1:
        return domain_named(best[0]), f"its names are used {most:,} times"
    endings = {name.rpartition(".")[2] for program in programs for name in program.sources}
    ours = [domain for domain in domains if not most and endings == {domain.language.labels[0]}]
    if len(ours) == 1:
        return ours[0], f"files end in .{ours[0].language.labels[0]}"
    used = "use names of several domains alike" if most else "use names of no domain"
    raise Refusal(
        f"Which domain the programs are for cannot be told: they {used}.",
        f"Say it with --domain: {' or '.join(DOMAINS)}.",
    )
