"""The decision part of a report: the verdict, the gain by group, what it was decided on, what to do next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from runner.report.data import Fact, GainGroup, GuardRow, Interval, Verdict
from runner.views.artifacts import Artifacts, real


def read_verdict(found: Artifacts) -> Verdict | None:
    """Return the verdict of Gate E's report; None where it has none."""
    decision = found.table("e", "decision")
    if decision is None:
        return None
    gain = decision["gain"]
    return Verdict(
        word=str(decision["verdict"]),
        strong=bool(decision["strong"]),
        sentence=str(decision["headline"]),
        gain=estimate_interval("all tasks", gain),
        base=estimate_interval("base", decision["base"], "%"),
        adapter=estimate_interval("adapter", decision["adapter"], "%"),
        lower=points(gain["lower"]),
        upper=points(gain["upper"]),
        margin=points(decision["margin"]) or 0.0,
        detectable=points(decision["detectable_gain"]),
        k=int(decision["k"]),
        cell=str(decision["cell"]),
        method=str(decision["method"]),
        reasons=tuple(str(reason) for reason in decision["reasons"]),
        guards=tuple(
            GuardRow(str(g["name"]), str(g["level"]), bool(g["fired"]), str(g["sentence"])) for g in decision["guards"]
        ),
        without_contaminated=_without_contaminated(found.table("e", "decision_without_contaminated"))
        or str(found.table("e", "no_decision_without_contaminated") or ""),
    )


def read_groups(found: Artifacts) -> tuple[GainGroup, ...]:
    """Return the gain by family, kind and difficulty, as far as Gate E's report tells it; guards look at families."""
    decision, rows = found.table("e", "decision"), found.table("e", "groups")
    if decision is None:
        return ()
    families = {str(item["family"]): _family(item) for item in decision["families"]}
    told = [_group(row, families) for row in rows or ()]
    if any(group.by == "family" for group in told):
        return tuple(told)
    return (*families.values(), *told)


def _family(item: Mapping[str, Any]) -> GainGroup:
    mark = "harmed" if item["harmed"] else "" if item["noninferior"] else "a loss is not ruled out"
    return GainGroup("family", estimate_interval(str(item["family"]), item["gain"], mark=mark))


def _group(row: Mapping[str, Any], families: Mapping[str, GainGroup]) -> GainGroup:
    """Return a row of Gate E's table of groups, whose metrics are in pp and % already."""
    by, name = str(row["by"]), str(row["name"])
    guarded = families[name].gain.mark if by == "family" and name in families else ""
    gain = metric_interval(row["gain"], name, guarded or str(row.get("flag") or ""), int(row["clusters"]))
    base, adapter = (real(row[arm]["value"]) for arm in ("base", "cell"))
    return GainGroup(by, gain, base, adapter)


def metric_interval(
    metric: Mapping[str, Any], label: str = "", mark: str = "", clusters: int | None = None
) -> Interval:
    """Return a stored Metric as an interval."""
    value, low, high = (real(metric[key]) for key in ("value", "low", "high"))
    unit, n = str(metric["unit"]), int(metric["n"])
    return Interval(label or str(metric["name"]), value, low, high, unit, n, mark, clusters)


def estimate_interval(label: str, estimate: Mapping[str, Any], unit: str = "pp", mark: str = "") -> Interval:
    """Return a stored Estimate, which is in fractions, as an interval in percentage points or percent."""
    value, low, high = (points(estimate[key]) for key in ("value", "low", "high"))
    return Interval(label, value, low, high, unit, int(estimate["n"]), mark, int(estimate["clusters"]))


def points(fraction: float | None) -> float | None:
    """Return a fraction in percentage points; None stays None."""
    number = real(fraction)
    return None if number is None else 100 * number


def _without_contaminated(decision: Mapping[str, Any] | None) -> str:
    if not decision:
        return ""
    gain = decision["gain"]
    value, low, high = (signed(points(gain[key])) for key in ("value", "low", "high"))
    left_out = f"Without the {len(decision['excluded'])} contaminated tasks"
    return f"{left_out}: {decision['verdict']}, gain {value} ({low} to {high}) on {gain['n']} tasks."


def signed(value: float | None, unit: str = " pp") -> str:
    """Return '+12.3 pp', or 'undefined'."""
    return "undefined" if value is None else f"{value:+.1f}{unit}"


def read_basis(found: Artifacts) -> tuple[Fact, ...]:
    """Return what the decision rests on, as far as the run has come."""
    rule, dataset = found.table("a", "rule"), found.table("a", "dataset")
    if rule is None or dataset is None:
        return ()
    decided_on = "test tasks" if rule["selection"] == "split" else "the dev tasks, paying for the choice (max-T)"
    facts = [
        Fact(
            "Rule",
            f"pass@{rule['k']} gain ≥ {rule['margin_pp']:g} pp on {decided_on}",
            "frozen before any model was loaded",
        ),
        Fact("Test", _size(rule, "test"), "opened by Gate E alone" if rule["test_tasks"] else ""),
        Fact("Dev", _size(rule, "dev"), "where the cell was chosen"),
        Fact("Training", f"{dataset['rows']:,} rows", f"{dataset['name']}, {dataset['tasks']} tasks in all"),
        *_tried(found),
        *_detectable(found),
        *_judges(found),
    ]
    if dataset["excluded"]:
        facts.append(
            Fact("Left out", f"{len(dataset['excluded'])} tasks", ", ".join(map(str, dataset["excluded"][:10])))
        )
    return (*facts, *(Fact("Note", str(note)) for note in dataset["notes"]))


def _size(rule: Mapping[str, Any], split: str) -> str:
    tasks, clusters, samples = (rule[f"{split}_{key}"] for key in ("tasks", "clusters", "samples"))
    return f"{tasks} tasks in {clusters} clusters × {samples} samples" if tasks else "none"


def _tried(found: Artifacts) -> list[Fact]:
    cells, openings = found.table("d", "cells"), found.table("e", "openings")
    facts = []
    if cells is not None:
        facts.append(Fact("Cells tried", f"{len(cells)}", "on dev; one of them went on"))
    if openings:
        times = len(openings)
        note = "" if times == 1 else "the more often it is looked at, the less its answer is worth"
        facts.append(Fact("Test opened", "once" if times == 1 else f"{times} times", note))
    return facts


def _detectable(found: Artifacts) -> list[Fact]:
    planned, decision = found.table("a", "detectable"), found.table("e", "decision")
    facts = []
    if planned is not None:
        facts.append(Fact("Detectable gain, planned", str(planned["sentence"])))
    if decision is not None and decision["detectable_gain"] is not None:
        gain = f"{100 * decision['detectable_gain']:.1f} pp"
        facts.append(Fact("Detectable gain, measured", gain, "from the standard error that was found, 80% power"))
    return facts


def _judges(found: Artifacts) -> list[Fact]:
    judge = found.table("e", "judge") or found.table("b", "judge")
    return [Fact("Judged by", str(judge["verifier"]), f"held by {judge['isolation']}")] if judge else []


def read_recommendations(found: Artifacts) -> tuple[Fact, ...]:
    """Return Gate E's recommendations, each with the number behind it."""
    rows: Sequence[Mapping[str, Any]] = found.table("e", "recommendations") or []
    return tuple(Fact(str(number), str(row["action"]), str(row["why"])) for number, row in enumerate(rows, start=1))
