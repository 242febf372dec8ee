"""Gate E's tables task by task and group by group, and what they say of tasks that training has seen."""

from __future__ import annotations

import logging
from dataclasses import replace
from types import SimpleNamespace

from eval.decision.guards import Canary, Evidence
from eval.decision.rule import DecisionRule
from eval.decision.verdict import Decision, decide
from eval.overlap.contamination import Status
from eval.records import EvalResult, Task, TaskCheck, TaskScore
from gates.e_decision.gate import decision_without_contaminated
from gates.e_decision.task_tables import furthest_movers, gains_by_group, task_facts
from gates.report.results import Arms, Leak
from tests.support.gate_results import environment_results

N = 40
FAMILIES = ("scaffold", "repair", "doc", "refactor")
RULE = DecisionRule(
    k=5, margin_pp=15.0, alpha=0.05, power=0.8, selection="split",
    dev_tasks=N, dev_clusters=N, dev_samples=5, test_tasks=N, test_clusters=N, test_samples=5, families=FAMILIES,
    noninferiority_pp=10.0, max_missing_pct=1.0, max_missing_gap_pp=1.0, canary_min_nats=0.001,
    canary_max_zero_nats=1e-6, seed=1, resamples=1000, splits_digest="0f" * 32,
)  # fmt: skip
TASKS = [
    Task(
        id=f"t{i:02d}",
        family=FAMILIES[i % len(FAMILIES)],
        kind="node" if i % 2 else "craft",
        cluster=f"c{i}",
        split="test",
        instruction=f"ask {i}",
        input="",
        answer="code",
        reference=f"answer {i}",
        checks=(TaskCheck("c", "expect(true)"),),
        difficulty=1 + i % 3,
    )
    for i in range(N)
]


def result(arm: str, passing: range) -> EvalResult:
    scores = [TaskScore(t.id, t.family, t.cluster, 5, 5 * (i in passing), kind=t.kind) for i, t in enumerate(TASKS)]
    return EvalResult(arm, "test", tuple(scores), ())


ARMS = Arms(base=result("base", range(8)), cell=result("cell", range(4, 24)))
LEAKED = {
    "t04": Leak(status=Status.CONTAMINATED, tier="T1"),
    "t05": Leak(status=Status.PARTIAL, tier="T2"),
    "t07": Leak(status=Status.CONTAMINATED, tier=""),
}


PROMPTS = {task.id: f"<user>{task.id}" for task in TASKS}


def test_a_task_has_what_a_reader_and_a_comparison_need() -> None:
    rows = {row.task_id: row for row in task_facts(TASKS, ARMS, LEAKED, PROMPTS)}
    assert rows["t04"].contamination == "CONTAMINATED T1"
    assert rows["t05"].contamination == "PARTIAL T2"
    assert (rows["t06"].contamination, rows["t07"].contamination) == ("", "CONTAMINATED")
    assert (rows["t04"].base_c, rows["t04"].cell_c, rows["t30"].cell_n) == (5, 5, 5)
    assert rows["t07"].prompt == "<user>t07"
    assert (rows["t07"].difficulty, rows["t07"].reference, rows["t07"].answer) == (2, "answer 7", "code")


def test_the_digest_of_a_task_covers_its_checks() -> None:
    sharper = [replace(TASKS[0], checks=(TaskCheck("c", "expect(false)"),)), *TASKS[1:]]
    before, after = (task_facts(tasks, ARMS, {}, PROMPTS) for tasks in (TASKS, sharper))
    assert [a.digest == b.digest for a, b in zip(before, after, strict=True)] == [False] + [True] * (N - 1)


def test_groups_and_movers_are_of_the_same_scores() -> None:
    groups, moved = gains_by_group(TASKS, ARMS, RULE), furthest_movers(ARMS, RULE)
    assert {group.by for group in groups} == {"family", "kind", "difficulty"}
    by_kind = [group for group in groups if group.by == "kind"]
    assert [(group.name, group.tasks, group.gain.value) for group in by_kind] == [
        ("craft", 20, 30.0),
        ("node", 20, 30.0),
    ]
    assert [move.task_id for move in moved.lost] == ["t00", "t01", "t02", "t03"]
    assert len(moved.gained) == 10


def without_contaminated(contaminated: list[str]) -> tuple[Decision | None, str]:
    """What Gate E says when Gate A found these tasks in the training rows."""
    found = environment_results(contaminated=contaminated)
    context = SimpleNamespace(earlier=lambda kind: found, log=logging.getLogger("test"))
    base, cell = ARMS.base.scores, ARMS.cell.scores
    trial = SimpleNamespace(arms=ARMS, split="test", decide=lambda evidence: decide(base, cell, RULE, evidence))
    return decision_without_contaminated(context, trial, Evidence("step-000100_x1.00", Canary(1.0, 0.0, 8)))


def test_the_decision_is_made_again_without_every_leaked_task_of_any_tier() -> None:
    clean, why_none = without_contaminated(["t04", "t05", "dev-1"])
    assert clean is not None
    assert why_none == ""
    assert clean.excluded == ("t04", "t05"), "a dev task is none of test"
    assert clean.gain.n == N - 2
    assert clean.gain.value == 12 / (N - 2), "16 tasks gained, 4 lost"
    assert without_contaminated(["dev-1"]) == (None, "")


def test_where_every_test_task_leaked_there_is_a_sentence_and_no_decision() -> None:
    clean, why_none = without_contaminated([task.id for task in TASKS])
    assert clean is None
    assert why_none.startswith("40 of 40 test tasks are contaminated; without them: No task")
