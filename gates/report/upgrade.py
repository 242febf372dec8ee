"""Reports of schema 1 and 2 as schema 3 has them: their free ``tables`` become the typed ``results`` of their gate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Tables = Mapping[str, Any]


def upgraded(document: dict[str, Any]) -> dict[str, Any]:
    """Return a report's plain data in schema 3; what is of schema 3 already comes back as it is.

    Raises:
        KeyError: a table that its gate always wrote is not there; ``tables.<name>`` names it.
    """
    if document.get("schema_version") not in (1, 2):
        return document
    tables = _Tables(document.get("tables", {}))
    results = _RESULTS[document["gate"]](tables) if tables else None
    kept = {key: value for key, value in document.items() if key not in ("tables", "taken_over")}
    return {**kept, "schema_version": 3, "results": results, "reused_from": document.get("taken_over")}


class _Tables(dict[str, Any]):
    """A report's tables; a missing one is named as a reader of report.json finds it."""

    def __missing__(self, key: str) -> Any:
        raise KeyError(f"tables.{key}")


def _environment(tables: Tables) -> Tables:
    return {
        "gate": "a",
        "dataset": tables["dataset"],
        "contamination": tables["contamination"] if "contamination" in tables else _only_contaminated(tables),
        "frozen": _frozen(tables) if "rule" in tables else None,
        "probe": {"adapter": None, **tables["probe"], "base": tables["base"]} if "probe" in tables else None,
    }


def _only_contaminated(tables: Tables) -> Tables:
    """Return the table of reports that named the leaked tasks, but neither how nor where they leak."""
    leaked, total = tables["contaminated"], tables["dataset"]["tasks"]
    return {
        "counts": {"CLEAN": total - len(leaked), "PARTIAL": 0, "CONTAMINATED": len(leaked)},
        "tasks": {task_id: {"status": "CONTAMINATED", "tier": ""} for task_id in leaked},
        "overlaps": [],
    }


def _frozen(tables: Tables) -> Tables:
    generations = tables.get("generations")
    return {
        "rule": tables["rule"],
        "digest": tables["rule_digest"],
        "selection_reason": tables.get("selection", {}).get("reason", ""),
        "detectable": tables["detectable"],
        # the total is computed
        "generations": generations and {key: value for key, value in generations.items() if key != "total"},
    }


def _baseline(tables: Tables) -> Tables:
    return {"gate": "b", "base": tables["base"], "judge": tables["judge"], "splits": tables["results"]}


def _training(tables: Tables) -> Tables:
    training = {"dropped_rows": [], "trainable_patterns": {}, **tables["training"]}
    return {"gate": "c", "base": tables["base"], "checkpoints": tables["checkpoints"], "training": training}


def _sweep(tables: Tables) -> Tables:
    cells = [{"tasks": len(row["result"]["scores"]), "dropped_after": None, **row} for row in tables["cells"]]
    return {
        "gate": "d",
        **{key: tables[key] for key in ("base", "judge", "k", "chosen")},
        "cells": cells,
        "search": tables["search"] if "search" in tables else _grid(cells),
    }


def _grid(cells: Sequence[Tables]) -> Tables:
    """Return how cells were searched before they could race."""
    drawn = sum(cell["result"]["samples"] for cell in cells)
    reason = "cells could not race yet"
    counts = dict.fromkeys(("samples", "planned_samples", "grid_samples"), drawn)
    return {"method": "grid", "reason": reason, "rounds": [], **counts}


def _decision(tables: Tables) -> Tables:
    same = ("base", "judge", "chosen", "canary", "openings", "decision", "recommendations")
    return {
        "gate": "e",
        **{key: tables[key] for key in same},
        "split": tables.get("split", "test"),
        "arms": tables["results"],
        "tasks": [{**_UNTOLD, **row} for row in tables["tasks"]],
        "groups": tables.get("groups", []),
        "movers": tables.get("movers", {"lost": [], "gained": []}),
        "decision_without_contaminated": tables.get("decision_without_contaminated"),
        "no_decision_without_contaminated": tables.get("no_decision_without_contaminated", ""),
    }


# What schema 1 did not record about a task.
_UNTOLD = {"difficulty": None, **dict.fromkeys(("input", "reference", "answer", "digest", "contamination"), "")}
_RESULTS: dict[str, Callable[[Tables], Tables]] = {
    "a": _environment,
    "b": _baseline,
    "c": _training,
    "d": _sweep,
    "e": _decision,
}
