"""What a stage has besides its rows, and what its address is made of besides its settings: code and versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

from env.files import digest, sha256_file
from env.installed.opened_files import direct_imports
from env.installed.own_modules import ROOT
from eval.curation.recipe import Recipe
from eval.curation.records import CuratedRow, StageResult
from eval.domains import Domain
from eval.pipeline.verifier import VerifierSettings

PROGRAMS = (".py", ".lua", ".luau")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a stage has besides its rows and its recipe.

    Attributes:
        verifier: how programs are executed; None executes nothing.
        folder: the stage's own, for what it writes while it works.
    """

    domain: Domain
    verifier: VerifierSettings | None
    folder: Path


class RunsStage(Protocol):
    """What ``Stage.module`` names."""

    def depends(self, recipe: Recipe, around: Surroundings) -> Mapping[str, Any]:
        """Return what the stage's result follows from besides its rows and code: settings, and digests of files."""
        ...

    def run(self, rows: Sequence[CuratedRow], recipe: Recipe, around: Surroundings) -> StageResult:
        """Return what becomes of ``rows``."""
        ...


def code_of(module: str) -> str:
    """Return the digest of a module and of everything of ours that it imports, directly or not."""
    found: set[Path] = set()
    waiting = [ROOT.joinpath(*module.split(".")).with_suffix(".py")]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += _imports(path)
    return digest({file.relative_to(ROOT).as_posix(): _digest(file) for file in sorted(found)})


@cache
def code_in(package: str, suffixes: tuple[str, ...]) -> str:
    """Return the digest of a package's files of these kinds: of what is reached by name, not by an import."""
    files = sorted(file for file in ROOT.joinpath(*package.split(".")).rglob("*") if file.suffix in suffixes)
    return digest({file.relative_to(ROOT).as_posix(): sha256_file(file) for file in files})


@cache
def _imports(path: Path) -> tuple[Path, ...]:
    return tuple(direct_imports(ROOT, path))


@cache
def _digest(path: Path) -> str:
    return sha256_file(path)


def versions_of(packages: Sequence[str]) -> dict[str, str]:
    """Return the versions of the installed ones of ``packages``."""
    found = {}
    for name in packages:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found
