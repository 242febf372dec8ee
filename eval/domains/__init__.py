"""What programs are for: one folder a domain, and the table of them. Listing it imports no verifier and no dataset."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from env.refusal import Refusal, choices_hint
from eval.pipeline.language import Language
from eval.pipeline.verifier import Verifier, VerifierSettings
from eval.records import AnswerForm, Row, TaskCheck

if TYPE_CHECKING:
    # gates import this module, and what they read must not depend on marks
    from eval.pipeline.scoring import Scorer

# Name to the module whose ``DOMAIN`` is its record.
DOMAINS = {"luanti": "eval.domains.luanti.domain", "roblox": "eval.domains.roblox.domain"}


@dataclass(frozen=True, slots=True)
class DatasetSource:
    """Where a dataset of the project's own comes from; modules as text.

    Attributes:
        tasks: where ``generated`` a module with ``tasks(split, count, seed)``, else a package of hand-written
            ``<kind>/<family>.yaml`` files.
        rows: a module with ``rows(count, seed)``.
    """

    tasks: str
    rows: str
    generated: bool = False


@dataclass(frozen=True, slots=True)
class Domain:
    """Everything that generic code needs to know of a domain, as plain data.

    Attributes:
        title: for screens and reports.
        families: each family of tasks with the form of its answers: "code", "diff" or "calls".
        datasets: the project's own datasets by name.
        verifiers: name to the module that opens it: ``open_pool(settings) -> Verifier``.
        constant_answers: texts that no task may accept.
        derive: a module with what ``Derives`` says: checks for an item that has none of its own, wrong programs that
            they should reject, and what failing references have in common.
        packages: what its verdicts depend on, as pip spells it: their versions enter every report and every reuse.
        mod_name: what the programs of its own tasks run as; "" where the domain has no names for that.
        scorers: a module with what ``Scorer`` of eval/pipeline/scoring says: the marks of a program that ran.
        worlds: a module with what ``Worlds`` says; "" where tasks come without worlds, or tell of them themselves.
        foreign: a module with what ``Foreign`` says; "" where only rows that name a family are read.
        skeleton: a module with ``TASKS``, the YAML of tasks that a file of the user's own begins with.
        own_words: matches what only programs of this domain say, by which files of unknown origin are told apart.
        projects: a module with what ``Projects`` says; "" where each file is a program by itself.
    """

    name: str
    title: str
    language: Language
    families: Mapping[str, AnswerForm]
    datasets: Mapping[str, DatasetSource]
    verifiers: Mapping[str, str]
    constant_answers: tuple[str, ...]
    derive: str
    scorers: str
    packages: tuple[str, ...] = ()
    mod_name: str = ""
    worlds: str = ""
    foreign: str = ""
    skeleton: str = ""
    own_words: re.Pattern[str] | None = None
    projects: str = ""


@dataclass(frozen=True, slots=True)
class Derived:
    """What an item's own fields say about a right answer.

    Attributes:
        kind: of the task, such as "node".
        checks: empty where nothing can be observed.
        remark: what had to be guessed; "" where nothing was.
        mod_name: what the item's prompt says a program runs as; "" where it leaves that open.
        missing: why there are no checks.
        reference: an answer that passes the checks, for an item that comes without one.
        worlds: what is there before a program runs (``Task.worlds``).
    """

    kind: str
    checks: tuple[TaskCheck, ...]
    remark: str = ""
    mod_name: str = ""
    missing: str = ""
    reference: str = ""
    worlds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Variant:
    """A wrong program: a right one with one value changed, and that change in words: '"apple.png" is "pear.png"'."""

    program: str
    change: str


@dataclass(frozen=True, slots=True)
class Cause:
    """Why ``count`` programs fail, as a clause after "because", and what to do about it."""

    count: int
    clause: str
    fix: str


class Derives(Protocol):
    """What ``Domain.derive`` names."""

    def derive(self, item: Row, program: str) -> Derived:
        """Return the checks that follow from ``item``, whose reference gives ``program``."""
        ...

    def variants(self, item: Row, program: str) -> tuple[Variant, ...]:
        """Return ``program`` with one value changed that it shares with the prompt, once for each such value."""
        ...

    def common_cause(self, details: Sequence[str]) -> Cause | None:
        """Return what failing references have in common, given what each verdict says; None where nothing is known."""
        ...


class Worlds(Protocol):
    """What ``Domain.worlds`` names: how the worlds of tasks are told and checked."""

    def brief(self, worlds: Sequence[str]) -> str:
        """Return what a prompt says of them, behind the task's own input; "" where it says nothing."""
        ...

    def world_problems(self, worlds: Sequence[str]) -> list[str]:
        """Return what is wrong with them, one sentence each."""
        ...


@dataclass(frozen=True, slots=True)
class Licence:
    """Under what terms a public row was published: its source, and why training on it is refused ("": it is not)."""

    source: str
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Project:
    """One program as it lies in files.

    Attributes:
        path: of its file or folder, as it was given.
        mod_name: what it runs as, where its domain has mods; "" is what its own registrations say.
        sources: its files' texts by name, for whoever reads it rather than runs it; of a file by itself that file.
        remarks: what of the project is not there when it runs, one sentence each.
    """

    path: str
    code: str
    sources: Mapping[str, str]
    mod_name: str = ""
    remarks: tuple[str, ...] = ()


class Projects(Protocol):
    """What ``Domain.projects`` names: folders whose files are one program together."""

    def project_in(self, folder: Path, read: Callable[[Path], str]) -> Project | None:
        """Return the program of ``folder``, its files read by ``read``; None where it is no project.

        Raises:
            Refusal: it is one, and its files contradict each other.
        """
        ...


class Foreign(Protocol):
    """What ``Domain.foreign`` names: what the fields of public rows mean here."""

    def family_of(self, values: Mapping[str, Any]) -> str:
        """Return the family of a row of another layout; "" where its fields do not tell."""
        ...

    def licence_of(self, values: Mapping[str, Any]) -> Licence:
        """Return the terms of a row of another layout."""
        ...


def domain_named(name: str) -> Domain:
    """Return a domain's record. Raises Refusal where there is none of that name."""
    if name not in DOMAINS:
        raise Refusal(f'There is no domain "{name}".', choices_hint(name, DOMAINS))
    domain: Domain = import_module(DOMAINS[name]).DOMAIN
    return domain


def dataset_names() -> dict[str, str]:
    """Return every dataset of the project's own with the name of its domain."""
    return {dataset: name for name in DOMAINS for dataset in domain_named(name).datasets}


def scorer_of(domain: Domain) -> Scorer:
    """Return what marks the programs of ``domain``."""
    scorer: Scorer = import_module(domain.scorers)  # type: ignore[assignment]
    return scorer


def open_verifier(domain: Domain, settings: VerifierSettings) -> Verifier:
    """Return a running verifier of ``domain``.

    Raises:
        Refusal: the name is unknown, no process starts, or the isolation is weaker than required.
    """
    if settings.name not in domain.verifiers:
        raise Refusal(
            f'{domain.title} have no verifier "{settings.name}".', choices_hint(settings.name, domain.verifiers)
        )
    verifier: Verifier = import_module(domain.verifiers[settings.name]).open_pool(settings)
    return verifier
