"""What a curation does: one section a stage. Defaults live in conf/curation, never here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Le

from env.refusal import BadSettings, choices_hint
from eval.curation.records import PARTS, Part
from eval.domains import domain_named

Kind = Literal["rows", "lua", "docs", "deb", "contentdb", "units"]
Terms = Literal["commercial", "copyleft", "unknown", "fair-use"]
TERMS: tuple[Terms, ...] = ("commercial", "copyleft", "unknown", "fair-use")
Text = Literal["prompt", "answer", "structure"]
# The texts of ``Templates``, and what each may be filled with.
TEMPLATES = ("registration", "function", "module", "document")
FILLED = ("kind", "name", "fields", "parameters", "file")


@dataclass(frozen=True, slots=True)
class Source:
    """Where rows come from.

    Attributes:
        kind: rows (JSON-lines files), lua (mods, games, Rojo or Wally projects), docs (Markdown with code blocks), deb
            (packages of Debian), contentdb (a dump of its packages, and the mods of it that lie beside), units (JSON
            lines of code with place and licence).
        path: a file, an archive or a folder of them.
        licence: the SPDX expression of what does not say one itself; "" leaves it unknown.
        family: of rows that name none; "" leaves it to the domain.
    """

    kind: Kind
    path: str
    licence: str
    family: str
    part: Part
    commit: str


@dataclass(frozen=True, slots=True)
class Templates:
    """Instructions by what the code is, filled with {kind}, {name}, {fields}, {parameters} and {file}.

    Attributes:
        family: of the rows that are made so.
        max_lines, min_lines: of a unit of code that becomes a row.
    """

    family: str
    registration: str
    function: str
    module: str
    document: str
    min_lines: Annotated[int, Ge(1)]
    max_lines: Annotated[int, Ge(1)]


@dataclass(frozen=True, slots=True)
class LicenceSettings:
    """Which sets a training set may hold; a licence id in ``waived`` is let in whatever its set."""

    allow: tuple[Terms, ...]
    waived: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ParseSettings:
    """Which answers are dropped before anything is executed.

    Attributes:
        drop_cut_off: those that end inside a fenced block or a thought.
        without_program: which answers stay that hold no program: "words" keeps those in words where calls are usual,
            since that none is needed is learnt too; "all" keeps every one, to look at a file as it is.
        max_characters: of an answer.
    """

    drop_cut_off: bool
    without_program: Literal["dropped", "words", "all"]
    max_characters: Annotated[int, Ge(1)]


@dataclass(frozen=True, slots=True)
class ExecuteSettings:
    """How programs are proven.

    Attributes:
        verifier: a choice of conf/verifier, whose limits hold; "none" executes nothing.
        checks: "own" runs the checks that rows have; "derived" also those that follow from a row's own words.
        mutations: repair rows made of each program that passes, at most; 0 makes none.
        repair_family: their family. ``repair_instruction`` is filled with {error}.
        chunk: programs between two writes.
    """

    verifier: str
    checks: Literal["own", "derived"]
    mutations: Annotated[int, Ge(0), Le(8)]
    repair_family: str
    repair_instruction: str
    chunk: Annotated[int, Ge(1)]


@dataclass(frozen=True, slots=True)
class DeduplicateSettings:
    """What counts as the same: equal texts after normalising, or a Jaccard index of 5-grams of words from ``jaccard``.

    Attributes:
        alike: every one of these must be alike for a row to be dropped; "structure" is the answer without its strings,
            numbers and comments.
        cluster_jaccard: rows whose prompts or answers are so alike share a cluster, kept or not.
    """

    alike: tuple[Text, ...]
    jaccard: Annotated[float, Ge(0.7), Le(1.0)]
    cluster_jaccard: Annotated[float, Ge(0.7), Le(1.0)]


@dataclass(frozen=True, slots=True)
class DecontaminateSettings:
    """What training may hold nothing of: the project's benchmarks by name, and files of eval items."""

    benchmarks: tuple[str, ...]
    files: tuple[str, ...]
    tiers: tuple[Literal["T1", "T2", "T3"], ...]


@dataclass(frozen=True, slots=True)
class BalanceSettings:
    """How much of what: rows are left out, never repeated.

    Attributes:
        by: the field that ``weights`` are of.
        weights: of each value; a value without one weighs ``other``, and 0 leaves it out. Empty: nothing is balanced.
        shares: of the three parts, in the same way.
        rows: how many are kept at most; 0 is as many as the weights allow.
    """

    by: Literal["family", "kind", "source", "terms", "difficulty"]
    weights: Mapping[str, float]
    other: float
    shares: Mapping[str, float]
    rows: Annotated[int, Ge(0)]


@dataclass(frozen=True, slots=True)
class OrderSettings:
    """In which order rows are written: easiest first, as they were collected, or at random by the seed."""

    by: Literal["difficulty", "source", "random"]


@dataclass(frozen=True, slots=True)
class SplitSettings:
    """Which share of the rows is held out, by whole clusters."""

    held_out: Annotated[float, Ge(0.0), Le(0.5)]


@dataclass(frozen=True, slots=True)
class CardSettings:
    """What the card says beside the counts. ``format`` is that of the written rows."""

    summary: str
    format: Literal["instruction", "chat"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """A curation. Raises BadSettings naming every key that contradicts itself.

    Attributes:
        data: the folder that relative paths of sources and eval files start from.
    """

    title: str
    data: str
    domain: str
    seed: int
    sources: Mapping[str, Source]
    templates: Templates
    licence: LicenceSettings
    parse: ParseSettings
    execute: ExecuteSettings
    deduplicate: DeduplicateSettings
    decontaminate: DecontaminateSettings
    balance: BalanceSettings
    order: OrderSettings
    split: SplitSettings
    card: CardSettings

    def __post_init__(self) -> None:
        problems = [
            *self._source_problems(),
            *self._balance_problems(),
            *self._text_problems(),
            *self._family_problems(),
        ]
        if not self.deduplicate.alike:
            problems.append("deduplicate.alike: name at least one of prompt, answer, structure")
        if self.deduplicate.cluster_jaccard > self.deduplicate.jaccard:
            problems.append("deduplicate.cluster_jaccard: must not be above deduplicate.jaccard")
        if self.templates.min_lines > self.templates.max_lines:
            problems.append("templates.min_lines: must not be above templates.max_lines")
        if problems:
            raise BadSettings(f"{'; '.join(problems)}.")

    def _source_problems(self) -> list[str]:
        if not self.sources:
            return ["sources: a recipe needs at least one, as in sources.mine={kind: rows, path: FILE}"]
        return [f"sources.{name}: a source's name has no : and no /" for name in self.sources if set(name) & set(":/")]

    def _text_problems(self) -> list[str]:
        """Return what is wrong with texts that are filled in: each may name only what it is filled with."""
        texts = {
            **{f"templates.{name}": (getattr(self.templates, name), FILLED) for name in TEMPLATES},
            "execute.repair_instruction": (self.execute.repair_instruction, ("error",)),
        }
        problems = []
        for key, (text, names) in texts.items():
            try:
                text.format(**dict.fromkeys(names, ""))
            except (KeyError, ValueError, IndexError, AttributeError):
                named = ", ".join(f"{{{name}}}" for name in names)
                problems.append(f"{key}: may hold {named}, and no other braces")
        return problems

    def _family_problems(self) -> list[str]:
        """Return which families the domain lacks, of those that rows are made in."""
        families = domain_named(self.domain).families
        wanted = {f"sources.{name}.family": one.family for name, one in self.sources.items() if one.family}
        if any(source.kind != "rows" for source in self.sources.values()):
            wanted["templates.family"] = self.templates.family
        if self.execute.mutations:
            wanted["execute.repair_family"] = self.execute.repair_family
        return [
            f'{key}: the domain {self.domain} has no family "{family}". {choices_hint(family, families)}'
            for key, family in wanted.items()
            if family not in families
        ]

    def _balance_problems(self) -> list[str]:
        weights = {**self.balance.weights, "other": self.balance.other}
        problems = [
            f"balance.weights.{name} = {weight}: must be 0 or more, and finite"
            for name, weight in weights.items()
            if not (weight >= 0 and math.isfinite(weight))
        ]
        if self.balance.weights and not any(weights.values()):
            problems.append("balance.weights: at least one must be above 0")
        for part, share in self.balance.shares.items():
            if part not in PARTS:
                problems.append(f"balance.shares.{part}: no such part. {choices_hint(part, PARTS)}")
            elif not (share >= 0 and math.isfinite(share)):
                problems.append(f"balance.shares.{part} = {share}: must be 0 or more, and finite")
        return problems
