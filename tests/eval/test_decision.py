"""The decision table: every verdict and every guard can fire, on data built so that the numbers are known."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from scipy.stats import ttest_1samp

from env.refusal import Refusal
from eval.decision.cells import Cell, cell_from_name
from eval.decision.guards import Canary, Evidence
from eval.decision.rule import DecisionRule
from eval.decision.ruling import Ruling
from eval.decision.selection import select_cell
from eval.decision.verdict import decide, decide_max_t
from eval.records import TaskScore
from tests.support.luanti import FAMILIES

TASKS = 80
RULE = DecisionRule(
    k=5,
    margin_pp=15.0,
    alpha=0.05,
    power=0.8,
    selection="split",
    dev_tasks=TASKS,
    dev_clusters=TASKS,
    dev_samples=5,
    test_tasks=TASKS,
    test_clusters=TASKS,
    test_samples=5,
    families=FAMILIES,
    noninferiority_pp=10.0,
    max_missing_pct=1.0,
    max_missing_gap_pp=1.0,
    canary_min_nats=1e-3,
    canary_max_zero_nats=1e-3,
    seed=7,
    resamples=4000,
    splits_digest="x",
)
EVIDENCE = Evidence("step-000100_x0.50", Canary(moved_nats=2.5, zero_moved_nats=0.0, prompts=8))


def arm(passing, n=5, tasks=TASKS, clusters=None) -> list[TaskScore]:
    """Tasks in ``passing`` pass every sample, the others none; families go round."""
    chosen = set(passing)
    return [
        TaskScore(f"t{i:03d}", FAMILIES[i % 4], f"c{i % (clusters or tasks):03d}", n, n if i in chosen else 0)
        for i in range(tasks)
    ]


BASE = arm(range(20))
# So few tasks that a gain at the margin is not told from none.
FEW = replace(RULE, test_tasks=20, test_clusters=20)
FEW_BASE, FEW_GAINED = arm(range(5), tasks=20), arm([0, *range(5, 12)], tasks=20)


def gained(more: int, lost: int = 0) -> list[TaskScore]:
    """The base's tasks less the first ``lost``, and ``more`` new ones: gain (more - lost) / 80."""
    return arm([*range(lost, 20), *range(20, 20 + more)])


# The three verdicts


def test_a_large_gain_proceeds():
    decision = decide(BASE, gained(18), RULE, EVIDENCE)
    assert decision.verdict is Ruling.PROCEED
    assert decision.gain.value == pytest.approx(18 / 80)
    assert (decision.base.value, decision.adapter.value) == (pytest.approx(0.25), pytest.approx(38 / 80))
    assert "+22.5 pp reaches the margin of 15.0 pp" in decision.reasons[0]
    assert decision.more_clusters is None


def test_a_huge_gain_proceeds_strongly_and_a_large_one_does_not():
    assert decide(BASE, gained(40), RULE, EVIDENCE).strong
    assert "(strong)" in decide(BASE, gained(40), RULE, EVIDENCE).headline
    assert not decide(BASE, gained(18), RULE, EVIDENCE).strong


def test_strong_means_the_lower_bound_reaches_the_margin():
    for more in range(12, 40, 3):
        decision = decide(BASE, gained(more), RULE, EVIDENCE)
        assert decision.strong == (decision.gain.lower >= 0.15)


def test_a_gain_whose_upper_bound_misses_the_margin_says_adjust():
    decision = decide(BASE, gained(2), RULE, EVIDENCE)
    assert decision.verdict is Ruling.ADJUST
    assert decision.gain.upper < 0.15
    assert "upper bound" in decision.reasons[0]
    assert "below the margin" in decision.reasons[0]


def test_a_gain_that_may_or_may_not_reach_the_margin_is_inconclusive():
    decision = decide(BASE, gained(9), RULE, EVIDENCE)
    assert decision.verdict is Ruling.INCONCLUSIVE
    assert decision.gain.value < 0.15 <= decision.gain.upper
    assert decision.more_clusters == decision.clusters_needed - 80 > 0


def test_a_gain_at_the_margin_without_a_lower_bound_above_zero_is_inconclusive():
    decision = decide(FEW_BASE, FEW_GAINED, FEW, EVIDENCE)
    assert decision.gain.value == pytest.approx(0.15)
    assert decision.gain.lower <= 0
    assert decision.verdict is Ruling.INCONCLUSIVE
    assert "is not above zero" in decision.reasons[0]


def test_exactly_the_margin_reaches_it_though_floats_fall_short():
    decision = decide(BASE, gained(12), RULE, EVIDENCE)
    assert decision.gain.value == pytest.approx(0.15)
    assert decision.verdict is Ruling.PROCEED


def test_exactly_one_verdict_fits_every_gain_and_verdicts_never_step_back():
    order = [Ruling.ADJUST, Ruling.INCONCLUSIVE, Ruling.PROCEED]
    ranks = [order.index(decide(BASE, gained(more), RULE, EVIDENCE).verdict) for more in range(0, 40, 2)]
    assert ranks == sorted(ranks)
    assert set(ranks) == {0, 1, 2}


def test_identical_arms_are_no_gain():
    decision = decide(BASE, BASE, RULE, EVIDENCE)
    assert decision.verdict is Ruling.ADJUST
    assert decision.gain.method == "zero variance"
    assert decision.detectable_gain is None


def test_a_gain_that_clusters_explain_does_not_proceed():
    # 18 of 80 tasks gained, but they are 2 of 8 clusters: the same number as a proceeding gain, on less evidence.
    base = [replace(score, cluster=f"c{i // 10}") for i, score in enumerate(BASE)]
    cell = [replace(score, cluster=f"c{i // 10}") for i, score in enumerate(gained(18))]
    decision = decide(base, cell, RULE, EVIDENCE)
    assert decision.gain.value == pytest.approx(18 / 80)
    assert decision.verdict is Ruling.INCONCLUSIVE
    assert "few clusters" in [guard.name for guard in decision.fired]


# Guards


def fired(decision) -> list[str]:
    return [guard.name for guard in decision.fired]


def test_no_guard_fires_on_sound_data():
    decision = decide(BASE, gained(40), RULE, EVIDENCE)
    assert fired(decision) == []
    assert len(decision.guards) == 7


def cut(scores: list[TaskScore], samples: int) -> list[TaskScore]:
    """The same, with up to ``samples`` of each task's failures cut at the token limit."""
    return [replace(score, cut_short=min(samples, score.n - score.c)) for score in scores]


def test_a_gain_that_may_only_be_brevity_does_not_proceed():
    # whatever the base wrote to tasks that it fails was cut: nothing says that it could not have passed
    base, cell = cut(BASE, 5), gained(40)
    decision = decide(base, cell, RULE, EVIDENCE)
    assert (decision.verdict, fired(decision)) == (Ruling.ADJUST, ["truncation"])
    assert "75.0% of the base's and 0.0% of the adapter's answers were cut without passing" in decision.reasons[0]
    assert decide(BASE, cell, RULE, EVIDENCE).verdict is Ruling.PROCEED


def test_a_gain_among_answers_that_ended_is_no_brevity_and_the_verdict_says_so():
    decision = decide(cut(BASE, 3), gained(40), RULE, EVIDENCE)
    assert (decision.verdict, fired(decision)) == (Ruling.PROCEED, ["truncation"])
    [said] = [reason for reason in decision.reasons if reason.startswith("Warning, truncation:")]
    assert "among answers that ended, pass@1 gains +50.0 pp" in said


def test_an_adapter_that_is_cut_more_often_is_only_told_and_ten_points_are_allowed():
    longer = decide(BASE, cut(gained(40), 3), RULE, EVIDENCE)
    assert [(guard.name, guard.level) for guard in longer.fired] == [("truncation", "warn")]
    # 40 of 400 samples are ten points exactly
    ten = [replace(score, cut_short=5 * (20 <= i < 28)) for i, score in enumerate(BASE)]
    assert fired(decide(ten, gained(40), RULE, EVIDENCE)) == []
    assert fired(decide([*ten[:28], replace(ten[28], cut_short=1), *ten[29:]], gained(40), RULE, EVIDENCE)) == [
        "truncation"
    ]


def test_a_harmed_family_blocks_a_large_average_gain():
    doc = [i for i in range(TASKS) if i % 4 == 2]
    base = arm([*range(20), *doc])
    cell = arm([i for i in range(TASKS) if i not in doc])
    decision = decide(base, cell, RULE, EVIDENCE)
    assert decision.gain.value > 0.15
    assert decision.verdict is Ruling.ADJUST
    assert [item.family for item in decision.families if item.harmed] == ["doc"]
    assert decision.reasons[0].startswith("Guard family harm: Harmed at 5% over 4 families (Holm): doc -100.0 pp")


def test_a_family_that_may_have_lost_too_much_warns_but_does_not_block():
    # doc loses 2 of 20 tasks: lower bound -10 - 1.73 * 6.9 pp, but p = .08 alone is no harm shown.
    doc = [i for i in range(TASKS) if i % 4 == 2]
    base = arm(doc[:10])
    cell = arm([*doc[2:10], *(i for i in range(TASKS) if i % 4 != 2)])
    decision = decide(base, cell, RULE, EVIDENCE)
    assert fired(decision) == ["non-inferiority"]
    assert decision.verdict is Ruling.PROCEED
    assert decision.reasons[-1].startswith("Warning, non-inferiority: Not shown to lose less than 10 pp: doc (lower")


def test_harm_is_corrected_for_the_number_of_families():
    # doc loses 4 of 20 tasks and gains none: one-sided p = .0210 (scipy ttest_1samp): under 5%, but not over four families.
    doc = [i for i in range(TASKS) if i % 4 == 2]
    base = arm(doc[:10])
    cell = arm([*doc[4:10], *(i for i in range(TASKS) if i % 4 != 2)])
    decision = decide(base, cell, RULE, EVIDENCE)
    item = next(item for item in decision.families if item.family == "doc")
    assert item.harm_p == pytest.approx(float(ttest_1samp([-1] * 4 + [0] * 16, 0, alternative="less").pvalue))
    assert 0.05 / 4 < item.harm_p < 0.05
    assert not item.harmed
    assert decision.verdict is Ruling.PROCEED


def test_missing_data_above_one_percent_blocks():
    cell = [replace(score, n=4, c=4) if i < 5 else score for i, score in enumerate(gained(40))]
    base = [replace(score, n=4, c=4) if i < 5 else score for i, score in enumerate(BASE)]
    decision = decide(base, cell, RULE, EVIDENCE)
    assert fired(decision)[0] == "missing data"
    assert decision.verdict is Ruling.ADJUST
    assert "1.2% of the base's and 1.2% of the adapter's 400 planned samples" in decision.reasons[0]


def test_one_percent_missing_is_allowed():
    base = [replace(score, n=4, c=4) if i < 4 else score for i, score in enumerate(BASE)]
    assert "missing data" not in fired(decide(base, gained(40), RULE, EVIDENCE))


def test_arms_that_miss_different_shares_block_though_each_is_allowed():
    rule = replace(RULE, max_missing_pct=10.0)
    base = [replace(score, n=4, c=4) if i < 8 else score for i, score in enumerate(BASE)]
    assert "missing data" in fired(decide(base, gained(40), rule, EVIDENCE))
    both = [replace(score, n=4, c=4) if i < 8 else score for i, score in enumerate(gained(40))]
    assert "missing data" not in fired(decide(base, both, rule, EVIDENCE))


def test_a_task_that_vanished_is_missing_data_too():
    decision = decide(BASE[1:], gained(40)[1:], RULE, EVIDENCE)
    assert fired(decision)[0] == "missing data"


@pytest.mark.parametrize(
    "canary", [None, Canary(0.0, 0.0, 8), Canary(2.5, 0.01, 8), Canary(2.5, 0.0, 0), Canary(float("nan"), 0.0, 8)]
)
def test_an_adapter_that_is_not_seen_to_act_and_to_vanish_blocks(canary):
    decision = decide(BASE, gained(40), RULE, replace(EVIDENCE, canary=canary))
    assert fired(decision) == ["adapter canary"]
    assert decision.verdict is Ruling.ADJUST
    assert not decision.strong


def test_a_second_opening_of_the_test_tasks_warns():
    decision = decide(BASE, gained(40), RULE, replace(EVIDENCE, test_openings=2))
    assert decision.verdict is Ruling.PROCEED
    assert "Warning, test openings: The test tasks were opened 2 times." in decision.reasons


def test_more_tasks_samples_or_families_than_frozen_are_refused():
    with pytest.raises(Refusal, match="froze 80 tasks x 5 samples"):
        decide(arm([], tasks=81), arm([], tasks=81), RULE, EVIDENCE)
    with pytest.raises(Refusal, match="80 with more samples"):
        decide(arm([], n=6), arm([], n=6), RULE, EVIDENCE)
    with pytest.raises(Refusal, match="other families: doc"):
        decide(BASE, BASE, replace(RULE, families=("scaffold", "repair", "refactor")), EVIDENCE)


def test_no_task_with_enough_samples_is_refused_and_not_decided():
    few = [replace(score, n=3, c=0) for score in BASE]
    with pytest.raises(Refusal, match="No task has 5 valid samples in both arms"):
        decide(few, few, RULE, EVIDENCE)


def test_a_decision_without_the_contaminated_tasks_says_so_and_does_not_call_them_missing():
    named = tuple(f"t{i:03d}" for i in range(20, 60))
    decision = decide(BASE, gained(40), RULE, replace(EVIDENCE, excluded=named, excluded_why="contaminated"))
    assert decision.gain.n == 40
    assert decision.gain.value == 0.0
    assert decision.verdict is Ruling.ADJUST
    assert "missing data" not in fired(decision)
    assert decision.reasons[-1] == "40 tasks were left out: contaminated."


def test_the_headline_carries_verdict_rates_gain_interval_and_detectable_gain():
    decision = decide(BASE, gained(18), RULE, EVIDENCE)
    assert decision.headline.startswith("PROCEED: pass@5 25.0% → 47.5%, gain +22.5 pp (95% +")
    assert "on 80 tasks in 80 clusters; margin 15.0 pp, detectable gain 11." in decision.headline
    # 2.487 SE as in docs/decision-rule.md, with t on 79 degrees of freedom: 1.664 + 0.846 = 2.511 (scipy).
    assert decision.detectable_gain == pytest.approx(2.5106 * decision.gain.se, rel=1e-4)


def test_a_decision_is_plain_data_and_repeatable():
    decision = decide(BASE, gained(9), RULE, EVIDENCE)
    text = json.dumps(decision.to_json(), allow_nan=False)
    assert '"verdict": "INCONCLUSIVE"' in text
    assert decide(list(reversed(BASE)), list(reversed(gained(9))), RULE, EVIDENCE) == decision
    assert [metric.unit for metric in decision.metrics()] == ["%", "%", "pp", "pp", "pp", "pp", "pp"]


def test_a_rule_frozen_for_max_t_does_not_judge_a_test_split():
    with pytest.raises(Refusal, match="max-T"):
        decide(BASE, BASE, replace(RULE, selection="max-t", test_tasks=0, test_clusters=0), EVIDENCE)


# Selection on dev

CELLS = tuple(Cell(step, scale) for step in (40, 80, 120) for scale in (0.25, 0.5, 1.0))


def test_the_highest_lower_bound_is_chosen():
    cells = {cell: gained(number) for number, cell in enumerate(CELLS)}
    selection = select_cell(BASE, cells, RULE)
    assert selection.chosen == CELLS[-1]
    assert [row.cell for row in selection.table] == sorted(CELLS)
    assert "step-000120_x1.00 has the highest lower bound of 9 cells: gain +10.0 pp" in selection.sentence


def test_a_steady_gain_beats_a_higher_but_noisier_one():
    # 12 gained against 30 gained and 17 lost: the second mean is higher by 1 task, its lower bound is not.
    steady, noisy = gained(12), gained(30, lost=17)
    selection = select_cell(BASE, {Cell(40, 0.5): noisy, Cell(80, 0.5): steady}, RULE)
    gains = {row.cell: row.gain for row in selection.table}
    assert gains[Cell(40, 0.5)].value > gains[Cell(80, 0.5)].value
    assert selection.chosen == Cell(80, 0.5)


def test_ties_go_to_the_earlier_checkpoint_then_the_smaller_scale():
    same = gained(12)
    cells = dict.fromkeys(reversed(CELLS), same)
    assert select_cell(BASE, cells, RULE).chosen == Cell(40, 0.25)
    assert select_cell(BASE, {Cell(80, 0.25): same, Cell(40, 1.0): same}, RULE).chosen == Cell(40, 1.0)


def test_a_cell_with_missing_data_cannot_be_chosen_and_says_why():
    torn = [replace(score, n=4, c=4) if i < 10 else score for i, score in enumerate(gained(40))]
    selection = select_cell(BASE, {Cell(40, 0.5): torn, Cell(80, 0.5): gained(2)}, RULE)
    assert selection.chosen == Cell(80, 0.5)
    assert selection.table[0].barred == "lacks 2.5% of its samples"


def test_a_cell_that_left_the_race_is_in_the_table_and_cannot_be_chosen():
    cells = {Cell(40, 0.5): gained(40)[:10], Cell(80, 0.5): gained(2), Cell(120, 0.5): gained(9)}
    left = {Cell(40, 0.5): "left the race after round 1 (10 tasks)"}
    selection = select_cell(BASE, cells, RULE, left)
    assert selection.chosen == Cell(120, 0.5)
    assert [row.barred for row in selection.table] == ["left the race after round 1 (10 tasks)", "", ""]
    assert selection.table[0].gain.n == 10
    assert "the highest lower bound of 2 cells" in selection.sentence


def test_the_choice_and_the_decision_are_blind_to_the_order_of_tasks_and_cells():
    cells = {cell: gained(3 * number, lost=number) for number, cell in enumerate(CELLS)}
    turned = {cell: list(reversed(cells[cell])) for cell in reversed(CELLS)}
    assert select_cell(list(reversed(BASE)), turned, RULE) == select_cell(BASE, cells, RULE)
    one, other = gained(30, lost=3), list(reversed(gained(30, lost=3)))
    assert decide(list(reversed(BASE)), other, RULE, EVIDENCE) == decide(BASE, one, RULE, EVIDENCE)
    merged = replace(RULE, selection="max-t", test_tasks=0, test_clusters=0)
    assert decide_max_t(list(reversed(BASE)), turned, merged, EVIDENCE) == decide_max_t(BASE, cells, merged, EVIDENCE)


def test_under_max_t_there_are_no_test_tasks_whose_opening_could_warn():
    merged = replace(RULE, selection="max-t", test_tasks=0, test_clusters=0)
    selection, decision = decide_max_t(BASE, {Cell(40, 0.5): gained(40)}, merged, replace(EVIDENCE, test_openings=0))
    assert not any(guard.fired for guard in decision.guards if guard.name == "test openings")
    assert selection == select_cell(BASE, {Cell(40, 0.5): gained(40)}, merged)


def test_no_cell_or_no_eligible_cell_is_refused():
    with pytest.raises(Refusal, match="no cell to select from"):
        select_cell(BASE, {}, RULE)
    few = [replace(score, n=3, c=0) for score in BASE]
    with pytest.raises(Refusal, match=r"No cell can be chosen: step-000040_x0\.50 has no task with 5 valid samples"):
        select_cell(BASE, {Cell(40, 0.5): few}, RULE)


def test_selection_never_sees_more_than_the_dev_scores_it_is_given():
    cells = {cell: gained(number) for number, cell in enumerate(CELLS)}
    assert select_cell(BASE, cells, RULE) == select_cell(BASE, cells, replace(RULE, test_samples=50, test_tasks=90))


def test_a_cells_name_leads_back_to_it():
    assert Cell(100, 0.5).name == "step-000100_x0.50"
    assert cell_from_name("step-000100_x0.50") == Cell(100, 0.5)
    assert cell_from_name(Cell(1_234_567, 12.0).name) == Cell(1_234_567, 12.0)


@pytest.mark.parametrize(("step", "scale"), [(0, 1.0), (10, 0.0), (10, -1.0), (10, 0.125), (10, float("nan"))])
def test_a_cell_whose_name_would_be_ambiguous_is_refused(step, scale):
    with pytest.raises(Refusal, match="No cell has step"):
        Cell(step, scale)


@pytest.mark.parametrize("name", ["base", "step-100_x0.50", "step-000100_x0.5", "step-000100_x0.50/.."])
def test_a_foreign_name_is_no_cell(name):
    with pytest.raises(Refusal, match=f'"{re.escape(name)}" names no cell'):
        cell_from_name(name)


def test_step_0_is_no_cell():
    with pytest.raises(Refusal, match="No cell has step 0"):
        cell_from_name("step-000000_x1.00")


# What would settle it


def test_the_clusters_requested_do_settle_it():
    # The same task results repeated on as many clusters as were asked for give an upper bound below the margin.
    decision = decide(BASE, gained(8), RULE, EVIDENCE)
    assert decision.verdict is Ruling.INCONCLUSIVE
    times = -(-decision.clusters_needed // 80)
    larger = replace(RULE, test_tasks=80 * times, test_clusters=80 * times)
    assert decide(repeated(BASE, times), repeated(gained(8), times), larger, EVIDENCE).verdict is Ruling.ADJUST


def test_a_gain_that_reaches_the_margin_requests_the_clusters_that_clear_zero():
    decision = decide(FEW_BASE, FEW_GAINED, FEW, EVIDENCE)
    # 20 x ((t .95 + t .8 on 19 degrees: 2.590) x SE .1666 / .15)²
    assert (decision.verdict, decision.clusters_needed) == (Ruling.INCONCLUSIVE, 166)
    larger = replace(RULE, test_tasks=180, test_clusters=180)
    assert decide(repeated(FEW_BASE, 9), repeated(FEW_GAINED, 9), larger, EVIDENCE).verdict is Ruling.PROCEED


def repeated(scores: list[TaskScore], times: int) -> list[TaskScore]:
    return [
        replace(score, task_id=f"{score.task_id}-{copy}", cluster=f"{score.cluster}-{copy}")
        for score in scores
        for copy in range(times)
    ]
