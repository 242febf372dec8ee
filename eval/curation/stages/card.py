"""Card: the written rows, where each came from, the data set's card, and whom to name."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from env.counts import counted
from eval.curation.recipe import Recipe
from eval.curation.records import CuratedRow, StageResult
from eval.curation.stages.split import HELD_OUT, SPLIT, TRAIN
from eval.curation.surroundings import Surroundings
from eval.datasets.chat_format import flattened, to_chat
from eval.datasets.formats.dialogues import takes_every_turn
from eval.datasets.row_export import to_instruction

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_LARGEST = "1M<n<10M"


def depends(recipe: Recipe, around: Surroundings) -> Mapping[str, Any]:
    """Return everything of the recipe that the card says."""
    return {**asdict(recipe.card), "title": recipe.title, "domain": around.domain.title, "seed": recipe.seed}


def run(rows: Sequence[CuratedRow], recipe: Recipe, around: Surroundings) -> StageResult:
    """Return the rows with the finished files; a file of held-out rows only where there are some."""
    sides = {side: [row for row in rows if row.facts[SPLIT] == side] for side in (TRAIN, HELD_OUT)}
    files = {"README.md": card(rows, sides, recipe, around), "ATTRIBUTION.md": attribution(rows)}
    for side, own in sides.items():
        if own or side == TRAIN:
            files[f"{side}.jsonl"] = _lines(_written(row, recipe) for row in own)
            files[f"{side}.provenance.jsonl"] = _lines(_provenance(row) for row in own)
    return StageResult(tuple(rows), facts={"licence": union(rows)}, files=files)


def union(rows: Sequence[CuratedRow]) -> str:
    """Return the SPDX expression that holds for all rows together: an adapter that is trained on them inherits it."""
    names = sorted({row.licence for row in rows if row.licence})
    return " AND ".join(f"({name})" if " OR " in name else name for name in names)


def card(
    rows: Sequence[CuratedRow], sides: Mapping[str, Sequence[CuratedRow]], recipe: Recipe, around: Surroundings
) -> str:
    """Return the card in Markdown, with the metadata that data set hubs read at its head."""
    size = next((name for limit, name in _SIZES if len(rows) < limit), _LARGEST)
    head = [
        "---",
        "license: other",
        f"license_name: {json.dumps(union(rows) or 'unknown')}",
        "task_categories: [text-generation]",
        f"size_categories: [{json.dumps(size)}]",
        "tags: [lua, code]",
        "---",
    ]
    told = ", ".join(f"{counted(len(own), 'row')} in {side}.jsonl" for side, own in sides.items() if own)
    parts = [
        *head,
        f"# {recipe.title}",
        recipe.card.summary,
        f"{around.domain.title}: {told}. Licence of all of it together: {union(rows) or 'unknown'}.",
        "No cluster of rows that nearly say the same stands in both files."
        if sides[HELD_OUT]
        else "Every row is in one file.",
        _table("What it holds", "family", Counter(row.family for row in rows)),
        _table("Parts", "part", Counter(row.part for row in rows)),
        _table("Difficulty", "level", Counter(str(row.difficulty) for row in rows)),
        _table("Sources", "source", Counter(row.source for row in rows)),
        _table("Licences", "licence", Counter(row.licence or "unknown" for row in rows)),
        _table("How rows came about", "made", Counter(_made(row) for row in rows)),
        "Where each row came from stands in the line of the same number of the provenance files; whom to name, in "
        "ATTRIBUTION.md. The card was written by `python -m runner curate`.",
    ]
    return "\n\n".join(["\n".join(parts[: len(head)]), *parts[len(head) :]]) + "\n"


def _made(row: CuratedRow) -> str:
    return row.made.partition(":")[0] or "as it stands in its source"


def _table(title: str, name: str, counts: Mapping[str, int]) -> str:
    lines = [f"| {_cell(key)} | {count:,} |" for key, count in sorted(counts.items(), key=lambda i: (-i[1], i[0]))]
    return "\n".join([f"## {title}", "", f"| {name} | rows |", "|---|---:|", *lines])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def attribution(rows: Sequence[CuratedRow]) -> str:
    """Return whom to name for which rows, by licence."""
    named: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        named[row.licence or "unknown"][_cell(f"{row.attribution or row.source} ({row.source})")] += 1
    parts = ["# Attribution"]
    for licence in sorted(named):
        lines = [f"- {who}: {counted(count, 'row')}" for who, count in sorted(named[licence].items())]
        parts += [f"## {licence}", "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


def _written(row: CuratedRow, recipe: Recipe) -> dict[str, Any]:
    """Return a row as the reader of data sets takes it: a chat that it cannot read becomes question and answer."""
    if row.messages:
        tools = {"tools": list(row.tools)} if row.tools else {}
        labels = {"family": row.family, "kind": row.kind, "cluster": row.cluster}
        chat = {"messages": list(row.messages), **tools, **labels}
        if takes_every_turn(chat["messages"], "auto") or not flattened(chat).wrong:
            return chat
    as_chat = recipe.card.format == "chat" or bool(row.system)
    return (to_chat if as_chat else to_instruction)(row.as_row(0))


def _provenance(row: CuratedRow) -> dict[str, Any]:
    named = ("id", "source", "file", "line", "commit", "licence", "terms", "attribution", "part", "made", "difficulty")
    return {key: getattr(row, key) for key in named} | {"cluster": row.cluster, "facts": dict(row.facts)}


def _lines(values: Iterable[Mapping[str, Any]]) -> str:
    return "".join(f"{json.dumps(value, ensure_ascii=False)}\n" for value in values)
