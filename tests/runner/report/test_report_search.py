"""What a report says of how the adapter was made and chosen: training, the sweep, dev beside test."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runner.report import build
from runner.runs.folder import Run
from tests.support.reports import Page, html_of, markdown_of
from tests.support.run_edits import decision_of, edit_json

pytestmark = pytest.mark.usefixtures("usual_results")


def test_a_resumed_training_is_marked_where_it_went_on(finished: Run) -> None:
    curves = build(finished).training
    assert curves is not None
    assert curves.restarts == (71,)
    assert [series.name for series in curves.series] == ["loss", "learning rate", "gradient norm"]
    assert "resumed at step 71" in html_of(finished)


def test_a_loss_that_is_not_finite_is_told_and_the_rest_is_drawn(small_run: Run) -> None:
    path = small_run.gate_folder("c") / "metrics.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[50]["loss"] = float("nan")
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    curves = build(small_run).training
    assert curves is not None
    assert len(curves.series[0].points) == len(rows) - 1
    assert ("Loss not finite", "1 step", "first at step 51") in [(f.label, f.value, f.note) for f in curves.facts]


def test_the_sweep_has_every_cell_and_one_chosen(finished: Run) -> None:
    sweep = build(finished).sweep
    assert sweep is not None
    assert len(sweep.cells) == len(sweep.checkpoints) * len(sweep.scales) == 9
    assert [cell.chosen for cell in sweep.cells].count(True) == 1


def raced(report: Any) -> None:
    found = report["results"]
    for row in found["cells"][:5]:
        row.update(tasks=3, dropped_after=1)
    names = [row["cell"] for row in found["cells"]]
    rounds = [
        {"round": 1, "tasks": 3, "cells": names, "kept": names[5:], "gains_pp": {}},
        {"round": 2, "tasks": 6, "cells": names[5:], "kept": names[5:], "gains_pp": {}},
    ]
    found["search"].update(method="race", rounds=rounds, samples=150, grid_samples=270)


def test_cells_that_left_the_race_are_shown_as_such_with_what_they_were_measured_on(small_run: Run) -> None:
    edit_json(small_run.gate_folder("d") / "report.json", raced)
    sweep = build(small_run).sweep
    assert sweep is not None
    assert [cell.dropped_after for cell in sweep.cells].count(1) == 5
    text = html_of(small_run)
    assert text.count("out after round 1, 3 tasks") == 5
    assert "150 samples drawn, 56% of the full grid&#39;s 270" in text
    assert "out after round 1, 3 tasks" in markdown_of(small_run)


def test_dev_stands_beside_test_for_the_chosen_cell(finished: Run) -> None:
    sweep = build(finished).sweep
    assert sweep is not None
    assert sweep.chosen is not None
    assert sweep.test is not None
    assert sweep.test.value == pytest.approx(100 * decision_of(finished)["gain"]["value"])
    page = Page(html_of(finished)).text
    assert "dev, chosen on" in page
    assert "test, decided on" in page


def decided_on_dev(run: Run) -> Run:
    """Make a finished run one without a test split: Gate E drew nothing, the dev tasks decided."""
    chosen = decision_of(run)["cell"]
    drawn = (run.gate_folder("d") / "cells" / chosen / "samples.jsonl").read_text()
    rows = json.loads((run.gate_folder("b") / "report.json").read_text())["results"]["splits"]["dev"]["scores"]
    swept = json.loads((run.gate_folder("d") / "report.json").read_text())["results"]["cells"]
    result = next(row["result"] for row in swept if row["cell"] == chosen)

    def edit(report: Any) -> None:
        found = report["results"]
        found["decision"].update(method="max-t over 9 cells")
        found.update(split="dev", openings=[])
        found["arms"]["cell"] = result
        counts = {score["task_id"]: score for score in result["scores"]}
        found["tasks"] = [
            {**found["tasks"][0], "task_id": row["task_id"], "base_c": row["c"], "base_n": row["n"],
             "cell_c": counts[row["task_id"]]["c"], "cell_n": counts[row["task_id"]]["n"]}
            for row in rows
        ]  # fmt: skip

    edit_json(run.gate_folder("e") / "report.json", edit)
    (run.gate_folder("e") / "samples.jsonl").unlink()
    assert drawn
    return run


def test_without_a_test_split_the_samples_are_those_of_the_sweep(small_run: Run) -> None:
    data = build(decided_on_dev(small_run))
    chosen = decision_of(small_run)["cell"]
    assert data.source.cell_gate == "D"
    assert data.source.files == ("gate_b/samples.jsonl", f"gate_d/cells/{chosen}/samples.jsonl")
    assert all(len(task.cell_samples) == 5 for task in data.tasks)
    assert next(row for row in data.trust if "opened" in row.question).answer.startswith("Never")
    assert data.sweep is not None
    assert data.sweep.test is None
    assert not any("does not give the counts" in problem for problem in data.problems)
