"""Next steps: ranked by evidence, each with its number, the learning rate never first."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.decision.cells import Cell
from eval.decision.guards import Canary, Evidence
from eval.decision.recommendations import TrainingFacts, recommend
from eval.decision.regressions import Precision, group_gains
from eval.decision.ruling import Ruling
from eval.decision.selection import select_cell
from eval.decision.verdict import Decision, decide
from eval.records import TaskScore
from eval.simulate.command import bench_parser, simulated_rule
from tests.support.luanti import FAMILIES

TASKS = 80
SIZES = ["--dev-tasks=80", "--dev-clusters=80", "--test-tasks=80", "--test-clusters=80", "--test-samples=5"]
RULE = simulated_rule(bench_parser().parse_args(SIZES))
CELLS = [Cell(step, scale) for step in (40, 80, 120) for scale in (0.25, 0.5, 1.0)]
FACTS = TrainingFacts({"scaffold": 500, "repair": 300, "doc": 30, "refactor": 170}, rank=8, learning_rate=2e-4)


def arm(passing) -> list[TaskScore]:
    chosen = set(passing)
    return [TaskScore(f"t{i:03d}", FAMILIES[i % 4], f"c{i}", 5, 5 if i in chosen else 0) for i in range(TASKS)]


BASE = arm(range(20))
SELECTION = select_cell(BASE, {cell: arm(range(20 + i)) for i, cell in enumerate(CELLS)}, RULE)
SWEPT = {row.cell: row.gain.value for row in SELECTION.table}


def decided(adapter: list[TaskScore], canary: Canary | None = Canary(1.0, 0.0, 8)) -> Decision:  # noqa: B008
    return decide(BASE, adapter, RULE, Evidence(SELECTION.chosen.name, canary))


# Every family but doc (index 2 of four) gains: doc is the weakest.
ADJUST = decided(arm([*range(20), *(i for i in range(20, 28) if i % 4 != 2)][:23]))


def test_after_proceed_there_is_nothing_to_recommend():
    assert recommend(decided(arm(range(60))), SWEPT, FACTS) == ()


def test_the_weakest_familys_share_of_the_training_data_comes_first():
    assert ADJUST.verdict is Ruling.ADJUST
    first = recommend(ADJUST, SWEPT, FACTS)[0]
    assert first.rank == 1
    assert first.action == "Add and verify training rows of the family doc."
    assert "3.0% of the training rows (30 of 1000) and 25.0% of the test tasks" in first.why


def test_a_well_fed_weakest_family_is_advised_to_check_its_rows_instead():
    fed = replace(FACTS, rows_by_family={"scaffold": 10, "doc": 900})
    assert (
        recommend(ADJUST, SWEPT, fed)[0].action
        == "Compare the training rows of the family doc with its tasks: more of them is not it."
    )


def test_rank_comes_after_the_data_and_the_learning_rate_last():
    actions = [step.action for step in recommend(ADJUST, SWEPT, FACTS)]
    assert actions[1] == "Raise the LoRA rank from 8 to 16."
    assert actions[-1] == "Then try another learning rate."


def test_a_measurement_that_cannot_be_trusted_is_fixed_first():
    decision = decided(arm(range(60)), canary=None)
    first = recommend(decision, SWEPT, FACTS)[0]
    assert first.action.startswith("Find out why the adapter is not applied")
    torn = [replace(score, n=3, c=0) if i < 20 else score for i, score in enumerate(arm(range(60)))]
    assert recommend(decided(torn), SWEPT, FACTS)[0].action.startswith("Fix the verifier")


def test_a_family_shown_to_be_harmed_is_the_weakest_even_where_a_noisier_one_lost_more():
    # doc loses 7 of 20 (p = .002); refactor loses 14 and gains 6 (p = .036, not shown over four families).
    doc, refactor = ([i for i in range(TASKS) if i % 4 == place] for place in (2, 3))
    base, adapter = arm([*doc, *refactor[:14]]), arm([*doc[7:], *refactor[14:]])
    decision = decide(base, adapter, RULE, Evidence("c", Canary(1.0, 0.0, 8)))
    gains = {item.family: item.gain.value for item in decision.families}
    assert gains["refactor"] < gains["doc"]
    assert "doc is harmed (-35.0 pp)" in recommend(decision, {}, FACTS)[0].why


def test_a_kind_shown_to_have_got_worse_is_named_after_the_weakest_family_with_its_loss_and_its_rows():
    kinds = {f"t{i:03d}": "node" if i % 8 < 4 else "command" for i in range(TASKS)}
    lost = [i for i in range(TASKS) if kinds[f"t{i:03d}"] == "command"]
    groups = group_gains(arm(lost), arm([0, 8, 16]), {"kind": kinds}, RULE.k, Precision(0.05, 1, 1000))
    facts = replace(FACTS, groups=groups, rows_by_kind={"node": 190, "command": 10})
    steps = recommend(ADJUST, SWEPT, facts)
    assert "of the family doc" in steps[0].action
    assert steps[1].action == "Look at what training teaches of the kind command: add or correct its rows."
    assert steps[1].why.startswith("command lost 100.0 pp (95% -100.0 to ")
    assert steps[1].why.endswith(
        "on 40 tasks, beyond chance over all kinds; it is 5.0% of the training rows (10 of 200)."
    )
    unknown = recommend(ADJUST, SWEPT, replace(facts, rows_by_kind={}))
    assert unknown[1].why.endswith("on 40 tasks, beyond chance over all kinds.")


def test_leaked_test_tasks_are_the_first_thing_to_fix():
    first = recommend(ADJUST, SWEPT, replace(FACTS, contaminated=30, tested=44))[0]
    assert first.action.startswith("Measure on tasks that training has not seen")
    assert first.why.startswith("30 of 44 test tasks")


def test_an_inconclusive_result_first_recommends_the_clusters_that_settle_it():
    decision = decided(arm(range(28)))
    assert decision.verdict is Ruling.INCONCLUSIVE
    first = recommend(decision, SWEPT, FACTS)[0]
    assert f"Measure on {decision.more_clusters} more clusters" in first.action
    assert str(decision.clusters_needed) in first.why


def test_answers_of_the_wrong_form_are_named_with_their_share():
    facts = replace(
        FACTS, outcomes={"NO_CODE": 30, "PATCH_REJECTED": 50, "SYNTAX_ERROR": 10}, truncated=120, samples=400
    )
    steps = recommend(ADJUST, SWEPT, facts)
    whys = [step.why for step in steps]
    assert whys[1] == "30.0% of the adapter's 400 samples hit the token limit."
    assert whys[2] == "20.0% of the adapter's 400 samples hold no code or a diff that does not apply."
    assert not any("not valid syntax" in why for why in whys), "2.5% is too few to act on"


def test_a_best_cell_at_the_edge_of_the_sweep_says_so():
    actions = {step.action: step.why for step in recommend(ADJUST, SWEPT, FACTS)}
    assert SELECTION.chosen == Cell(120, 1.0)
    assert actions["Train longer, or on more rows."].endswith("and it is the last checkpoint.")
    assert actions["Sweep larger scales."].endswith("and 1 is the largest scale.")
    inner = {cell: arm(range(26 if cell == Cell(80, 0.5) else 20)) for cell in CELLS}
    middle = replace(ADJUST, cell=Cell(80, 0.5).name)
    swept = {row.cell: row.gain.value for row in select_cell(BASE, inner, RULE).table}
    assert not [s for s in recommend(middle, swept, FACTS) if "weep" in s.action]


def test_a_sweep_in_which_nothing_is_better_than_the_rest_recommends_no_wider_one():
    flat = dict.fromkeys(SWEPT, 0.0)
    assert not [s for s in recommend(ADJUST, flat, FACTS) if "weep" in s.action or "longer" in s.action]


# Floor and ceiling, and facts that contradict a step

FLOOR = decide(arm([]), arm([]), RULE, Evidence("step-000004_x1.00", Canary(1.0, 0.0, 8)))
# What the run with 0 of 14 against 0 of 14 knew: few steps, sound training answers, programs that do not parse.
SHORT = replace(
    FACTS, steps=4, epochs=0.5, losses=(3.1, 2.9), broken_rows=0, outcomes={"SYNTAX_ERROR": 300, "NO_CODE": 100},
    samples=400,
)  # fmt: skip


def actions(decision: Decision, facts: TrainingFacts, swept=SWEPT) -> list[str]:
    return [step.action for step in recommend(decision, swept, facts)]


def test_where_neither_model_solves_anything_easier_tasks_come_first_and_no_number_of_tasks_is_named():
    steps = recommend(FLOOR, {}, SHORT)
    assert steps[0].action.startswith("Measure on easier tasks")
    assert steps[0].why.startswith("Neither model solved any of the 80 tasks, 0 of 400 samples of the adapter")
    assert not any("clusters" in step.action + step.why for step in steps)
    assert FLOOR.clusters_needed is None


def test_invalid_programs_are_not_blamed_on_training_answers_that_gate_a_found_sound():
    assert not any("training answers" in action and "Correct" in action for action in actions(FLOOR, SHORT))
    assert any("every training answer loads" in action for action in actions(FLOOR, SHORT))
    assert "Correct or remove the 7 training answers that do not apply, parse or load." in actions(
        FLOOR, replace(SHORT, broken_rows=7)
    )


def test_before_every_row_was_seen_once_neither_rank_nor_rate_is_changed():
    for decision in (ADJUST, FLOOR):
        told = actions(decision, SHORT)
        assert "Train longer: at least once over all training rows." in told
        assert not any("rank" in action or "learning rate" in action for action in told)
    whys = [step.why for step in recommend(ADJUST, {}, SHORT)]
    assert "Training saw 50.0% of the 1,000 training rows in 4 steps." in whys


def test_an_adapter_that_knows_its_rows_by_heart_needs_no_larger_rank():
    assert any("Raise the LoRA rank" in action for action in actions(ADJUST, replace(FACTS, losses=(1.7, 0.4))))
    assert not any("LoRA rank" in action for action in actions(ADJUST, replace(FACTS, losses=(1.7, 0.02))))


def test_a_gain_of_nothing_recommends_no_larger_rank_and_still_names_a_first_step_with_a_number():
    still = decided(BASE)
    told = recommend(still, {}, replace(FACTS, epochs=2.0))
    assert "1,000 training rows" in told[0].action
    assert [step.action for step in told[1:]] == ["Then try another learning rate."]


def test_a_loss_that_did_not_fall_is_looked_at_before_the_data():
    told = actions(ADJUST, replace(FACTS, steps=120, losses=(1.70, 1.71)))
    assert told[0].startswith("Find out why the training loss did not fall")


def test_where_the_base_leaves_less_than_the_margin_harder_tasks_are_all_that_is_advised():
    nearly = decide(arm(range(70)), arm(range(70)), RULE, Evidence("c", Canary(1.0, 0.0, 8)))
    assert nearly.extreme == "ceiling"
    [step] = recommend(nearly, {}, FACTS)
    assert step.action.startswith("Measure on harder tasks")
    assert "12.5 pp are left, less than the margin of 15.0 pp" in step.why


def test_the_floor_is_named_in_the_reasons_before_any_bound():
    assert FLOOR.extreme == "floor"
    assert FLOOR.reasons[0] == "Neither model solved any of the 80 tasks: they are too hard to show a gain."


def test_without_any_spread_no_number_of_clusters_is_promised():
    few = simulated_rule(bench_parser().parse_args([size.replace("80", "14") for size in SIZES]))
    none = [score for score in arm([]) if score.task_id < "t014"]
    decision = decide(none, none, few, Evidence("c", Canary(1.0, 0.0, 8)))
    assert decision.verdict is Ruling.INCONCLUSIVE
    assert decision.gain.se == 0
    assert not any("would settle it" in reason and "About" in reason for reason in decision.reasons)
    assert any(reason.startswith("Every task shows the same gain") for reason in decision.reasons)


def test_a_smoke_run_says_first_that_it_decides_nothing_and_advises_a_full_one_alone():
    decision = decide(BASE, arm(range(28)), RULE, Evidence("c", Canary(1.0, 0.0, 8), smoke=True))
    assert "too small to decide anything" in decision.reasons[0]
    [step] = recommend(decision, SWEPT, FACTS)
    assert step.action.startswith("Start a run of full size")


def test_equal_families_name_no_weakest_one():
    assert not any("of the family" in action for action in actions(decided(BASE), FACTS))


@given(
    st.integers(0, 40),
    st.sampled_from([None, Canary(1.0, 0.0, 8)]),
    st.dictionaries(st.sampled_from(FAMILIES), st.integers(0, 500)),
    st.booleans(),
)
def test_the_learning_rate_is_never_first_and_every_step_has_a_number(more, canary, rows, with_table):
    decision = decided(arm(range(20 + more)), canary)
    steps = recommend(decision, SWEPT if with_table else {}, replace(FACTS, rows_by_family=rows))
    assert bool(steps) is (decision.verdict is not Ruling.PROCEED)
    assert not steps or "learning rate" not in steps[0].action
    assert [step.rank for step in steps] == list(range(1, len(steps) + 1))
    assert all(re.search(r"\d", step.why) or "canary was not run" in step.why for step in steps)


@pytest.mark.parametrize("rows", [{}, {"doc": 0}])
def test_unknown_training_shares_are_not_invented(rows):
    steps = recommend(ADJUST, SWEPT, replace(FACTS, rows_by_family=rows))
    assert not any("training rows of the family" in step.action for step in steps)
