"""Small sources and recipes for curation: a node a row, and every way in which a row can be wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from eval.curation.recipe import Recipe
from eval.curation.records import CuratedRow
from runner.runs.recipes import compose_recipe

# No benchmark is read, and only the recorder runs: what these tests are about is elsewhere.
LIGHT: dict[str, Any] = {"decontaminate": {"benchmarks": []}, "execute": {"verifier": "recorder"}}
PLANTS = ("fern", "oak", "pine", "moss", "reed", "rose", "thyme", "ivy", "hazel", "birch")


def node(plant: str, light: int = 3, asked: int | None = None, **over: Any) -> dict[str, Any]:
    """Return a row that asks for a node of light level ``asked`` and answers one of ``light``."""
    wanted = light if asked is None else asked
    code = (
        f'core.register_node("garden:{plant}", {{\n\tdescription = "{plant.title()}",\n\ttiles = {{"{plant}.png"}},\n'
        f"\tlight_source = {light},\n}})"
    )
    asks = {
        "fern": f"Register the node garden:{plant} with light level {wanted}.",
        "oak": f"In the garden mod, an {plant} called garden:{plant} shall glow: light level {wanted}, please.",
    }
    words = asks.get(
        plant, f"Write {plant} as garden:{plant}; at night {plant} {plant[::-1]} shows light level {wanted}."
    )
    return {"instruction": words, "input": "", "output": code, "family": "scaffold", **over}


def write_rows(path: Path, rows: Sequence[Mapping[str, Any] | str]) -> Path:
    """Write rows as JSON lines; a text is written as it is."""
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def source(kind: str, path: str, **over: Any) -> dict[str, Any]:
    """Return a source of a recipe."""
    return {"kind": kind, "path": path, "licence": "MIT", "family": "", "part": "pairs", "commit": "", **over}


def recipe_file(folder: Path, sources: Mapping[str, Any], **sections: Any) -> Path:
    """Write a light recipe beside its sources and return its path."""
    keys = {**LIGHT, "sources": dict(sources), "card": {"summary": "A garden."}}
    for name, section in sections.items():
        inner = keys.get(name)
        keys[name] = {**inner, **section} if isinstance(inner, dict) and isinstance(section, dict) else section
    path = folder / "garden.yaml"
    path.write_text(yaml.safe_dump(keys), encoding="utf-8")
    return path


def recipe_of(folder: Path, sources: Mapping[str, Any] | None = None, **sections: Any) -> Recipe:
    """Return a frozen light recipe; by default of a file that need not be there."""
    return compose_recipe(str(recipe_file(folder, sources or {"mine": source("rows", "rows.jsonl")}, **sections)), [])[
        0
    ]


def curated(number: int, **over: Any) -> CuratedRow:
    """Return a row as it comes from a source."""
    plant = PLANTS[number % len(PLANTS)]
    values = node(plant)
    fixed = {"id": f"mine:rows.jsonl:{number}", "source": "mine", "file": "rows.jsonl", "line": number}
    return CuratedRow(**{**fixed, **values, "licence": "MIT", "terms": "commercial", **over})
