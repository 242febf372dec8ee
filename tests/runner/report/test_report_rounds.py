"""What a report says of rounds of rejection sampling: drawn, kept, trained, and the gain over the control arms."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from eval.records import Metric
from eval.rejection.answers import Drawn
from gates.report.rounds import ArmFacts, RoundFacts
from runner.report import build
from runner.report.page.tables import read_tables
from runner.runs.folder import Run
from tests.support.reports import html_of, markdown_of
from tests.support.run_edits import edit_json

pytestmark = pytest.mark.usefixtures("usual_results")
DRAWN = Drawn(tasks=40, solved=30, all_pass=12, samples=320, passed=200, unknown=0, distinct=2.5)
ARM = ArmFacts(arm="", steps=120, own=28, gold=60, loss_at_start=1.5, loss_at_end=0.25)
ROUND = RoundFacts(
    round=1,
    drawer="step-000060",
    drawn=DRAWN,
    by_family={"doc": replace(DRAWN, tasks=15, solved=10)},
    by_difficulty={"2": replace(DRAWN, tasks=7, solved=3)},
    new_solved=30,
    kept=28,
    kept_tasks=28,
    dropped={"a constant answer": 3},
    second_verifier="",
    arms=(ARM, ARM.model_copy(update={"arm": "gold", "own": 0})),
)


def with_rounds(run: Run) -> None:
    """Make the run one whose Gate C drew, and whose Gate D compared one arm, as a hand would."""

    def trained(report: Any) -> None:
        report["results"]["rounds"] = [ROUND.model_dump(mode="json")]

    def swept(report: Any) -> None:
        found = report["results"]
        result = found["cells"][0]["result"]
        gains = [
            Metric("pass@1", 1.25, -2.0, 4.5, "pp", 6, 1),
            Metric("pass@5", None, None, None, "pp", 0, 5),
        ]
        found["controls"] = [
            {
                "arm": "gold",
                "cell": "round-1_gold_step-000120_x1.00",
                "trained": "round-1_step-000120_x1.00",
                "result": result,
                "trained_result": result,
                "gains": [{**vars_of(gain)} for gain in gains],
            }
        ]
        found["cells"][0]["round"] = 1

    edit_json(run.gate_folder("c") / "report.json", trained)
    edit_json(run.gate_folder("d") / "report.json", swept)


def vars_of(metric: Metric) -> dict[str, Any]:
    return {name: getattr(metric, name) for name in Metric.__slots__}


def test_rounds_are_shown_with_the_gain_over_each_control_arm(small_run: Run) -> None:
    with_rounds(small_run)
    data = build(small_run)
    assert data.rounds is not None
    assert [(row.label, row.value) for row in data.rounds.gains] == [
        ("pass@1 over gold", 1.25),
        ("pass@5 over gold", None),
    ]
    assert [(row.group, row.tasks, row.solved) for row in data.rounds.drawn] == [
        ("all", 40, 30),
        ("doc", 15, 10),
        ("difficulty 2", 7, 3),
    ]
    page, text = html_of(small_run), markdown_of(small_run)
    assert "Rounds of rejection sampling" in page
    assert "pass@1 over gold" in page
    assert "- pass@1 over gold: +1.2 (-2.0 to +4.5)" in text
    assert "| 1 | doc | 15 | 10 | 12 | 200 of 320 | 2.50 |" in text
    assert "Round 1 control arm gold: 0 own and 60 gold rows, 120 steps" in text
    assert "not kept: 3 a constant answer" in text
    assert len(read_tables(data)["rounds"]["rows"]) == 3


def test_a_cell_of_a_round_has_a_row_of_its_own(small_run: Run) -> None:
    with_rounds(small_run)
    sweep = build(small_run).sweep
    assert sweep is not None
    assert sweep.checkpoints[-1].startswith("round 1, step ")
    assert sweep.cells[0].checkpoint == sweep.checkpoints[-1]


def test_a_run_that_drew_nothing_has_no_such_section(small_run: Run) -> None:
    assert build(small_run).rounds is None
    assert "rejection sampling" not in html_of(small_run) + markdown_of(small_run)
