"""What asking again gave, read from repair/*/report.json: the rows as every screen and report words them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from env.counts import counted
from env.refusal import Refusal

# What reading a report of an unexpected shape can raise.
_FOREIGN = (KeyError, TypeError, ValueError, IndexError, AttributeError)
_LEVELS = {
    "runtime": "told what anybody sees: errors, rejected diffs, what reading finds",
    "checks": "told which checks failed: training tasks only",
}


@dataclass(frozen=True, slots=True)
class TurnRow:
    """One arm after one turn; texts for people, undefined ones say so. Numbers are in ``Repair.source``."""

    turn: int
    pass_1: str
    interval: str
    asked: int
    fixed: int
    broke: int
    tokens_per_solved: str
    fresh: str
    over_fresh: str


@dataclass(frozen=True, slots=True)
class ArmRows:
    """One arm, a row for each turn from 0; ``sizes`` says n and k."""

    arm: str
    sizes: str
    turns: tuple[TurnRow, ...]


@dataclass(frozen=True, slots=True)
class Repair:
    """One correction: what was asked, its rows, and what they do not say; ``source`` is the report as stored."""

    name: str
    heading: str
    arms: tuple[ArmRows, ...]
    remarks: tuple[str, ...]
    source: Mapping[str, Any]


def repair_reports(run_dir: Path) -> list[Path]:
    """Return the reports of all corrections of a run, by name."""
    return sorted((run_dir / "repair").glob("*/report.json"))


def read_correction(path: Path) -> Repair:
    """Return a correction. Raises Refusal where the file is no report of one."""
    # what asks again imports datasets and domains, and a status screen must not wait for them
    from gates.correcting.request import SCHEMA_VERSION

    try:
        source = json.loads(path.read_text(encoding="utf-8"))
        if source["schema_version"] != SCHEMA_VERSION:
            raise ValueError(f"schema_version {source['schema_version']}")
        return Repair(path.parent.name, _heading(source), _arms(source), _remarks(source), source)
    except (OSError, *_FOREIGN) as error:
        raise Refusal(
            f"{path}: not the report of a correction ({error!r}).", "Move its folder away and ask again."
        ) from None


def _heading(source: Mapping[str, Any]) -> str:
    below = "" if source["below"] is None else f"; passed answers with marks below {source['below']:g} too"
    return f"gate {source['gate'].upper()}, {source['split']} tasks, asked again; {_LEVELS[source['level']]}{below}"


def _arms(source: Mapping[str, Any]) -> tuple[ArmRows, ...]:
    return tuple(
        ArmRows(
            arm["arm"],
            f"n = {counted(arm['turns'][0]['pass_1']['n'], 'task')}, k = {source['samples']} of each",
            tuple(_row(turn) for turn in arm["turns"]),
        )
        for arm in source["arms"]
    )


def _row(turn: Mapping[str, Any]) -> TurnRow:
    fresh = turn["fresh"]
    drawn = (
        f"{_rate(fresh['rate'])} with {fresh['draws']:.2f} draws{', all there are' if fresh['is_exhausted'] else ''}"
    )
    each = turn["tokens_per_solved"]
    return TurnRow(
        turn=turn["turn"],
        pass_1=_rate(turn["pass_1"]),
        interval=_interval(turn["pass_1"], "{:.1f}"),
        asked=turn["asked"],
        fixed=turn["fixed"],
        broke=turn["broke"],
        tokens_per_solved="none solved" if each is None else f"{each:,.0f}",
        fresh=drawn,
        # the first answers are fresh samples themselves
        over_fresh=_points(turn["over_fresh"]) if turn["turn"] else "",
    )


def _rate(metric: Mapping[str, Any]) -> str:
    return "undefined" if metric["value"] is None else f"{metric['value']:.1f}"


def _interval(metric: Mapping[str, Any], form: str) -> str:
    if metric["low"] is None or metric["high"] is None:
        return ""
    return f"{form.format(metric['low'])} to {form.format(metric['high'])}"


def _points(metric: Mapping[str, Any]) -> str:
    if metric["value"] is None:
        return "undefined"
    spread = _interval(metric, "{:+.1f}")
    return f"{metric['value']:+.1f} pp{f' ({spread})' if spread else ''}"


def _remarks(source: Mapping[str, Any]) -> tuple[str, ...]:
    said = [
        "Only answers that failed are asked again: who uses a model without checks does not know which these are.",
        "Fresh: the task drawn anew until one passes, for as many tokens; it is given the same knowledge. "
        "Tokens are those generated, thoughts included, prompts not.",
    ]
    if source["openings"] is not None:
        said.append(f"The test tasks were opened {counted(source['openings'], 'time')} in this run so far.")
    cut = sum(turn["too_long"] for arm in source["arms"] for turn in arm["turns"])
    if cut:
        said.append(
            f"{counted(cut, 'answer')} stayed as they were: the model's context does not hold the conversation."
        )
    lost = sum(turn["missing"] for arm in source["arms"] for turn in arm["turns"])
    if lost:
        said.append(f"{counted(lost, 'answer')} could not be judged: missing, neither passed nor failed.")
    return tuple(said)
