"""Who is admitted as a judge: by execution's verdicts, with known chances, and never one that rewards the wrong thing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr
from statsmodels.stats.proportion import proportion_confint

from env.refusal import Refusal
from eval.domains import DOMAINS
from eval.judge.answers import Grades, Pair
from eval.judge.calibration import (
    Calibration,
    Figures,
    Known,
    area_under_roc,
    calibration_file,
    figures_of,
    read_calibration,
    reasons_against,
    spearman,
    wilson_lower,
    write_calibration,
)
from eval.judge.judge import judge_id
from eval.judge.opening import standing
from eval.judge.rubric import FOLDER, read_prompt
from runner.runs.config import compose_experiment
from tests.support.known_answers import known_pairs


def figures(known: list[Known], pairs: list[Pair], grade: Callable[[Known], float]) -> Figures:
    by_content = {one.answer.content: grade(one) for one in known}
    grades: dict[Pair, Grades | None] = {p: (by_content[p.one.content], by_content[p.other.content]) for p in pairs}
    return figures_of(known, grades, {}, [])[0]


def admission_chance(count: int, accuracy: float, trials: int = 300) -> float:
    """Return how often a judge of this true accuracy is admitted on ``count`` known answers, half of them right."""
    known, pairs = known_pairs(count)
    stream = np.random.default_rng(count)
    admitted = 0
    for _ in range(trials):
        errs = dict(zip((one.answer.content for one in known), stream.random(count) >= accuracy, strict=True))
        found = figures(known, pairs, lambda one, errs=errs: float(one.passed != errs[one.answer.content]))  # type: ignore[misc]
        admitted += not reasons_against(found)
    return admitted / trials


@pytest.mark.parametrize(("accuracy", "chance"), [(0.70, 0.05), (0.75, 0.47), (0.80, 0.95), (0.85, 1.0), (0.90, 1.0)])
def test_a_judge_is_admitted_as_often_as_planned(accuracy: float, chance: float) -> None:
    """The table was computed for 200 independent answers; asking in pairs and a real accuracy near 0.75 cost a little."""
    assert admission_chance(200, accuracy) == pytest.approx(chance, abs=0.08)


def test_wilsons_bound_auc_and_rank_correlation_are_those_of_the_libraries() -> None:
    assert wilson_lower(0.8, 200) == pytest.approx(proportion_confint(160, 200, alpha=0.1, method="wilson")[0])
    stream = np.random.default_rng(3)
    passed, grades = stream.random(60) < 0.5, np.round(stream.random(60), 1)
    above = [(a > b) + (a == b) / 2 for a in grades[passed] for b in grades[~passed]]
    assert area_under_roc(passed, grades) == pytest.approx(np.mean(above))
    lengths = np.round(stream.random(60), 1)
    assert spearman(grades, lengths) == pytest.approx(spearmanr(grades, lengths).statistic)


@pytest.mark.parametrize(
    ("name", "grade"),
    [
        ("always 1", lambda one: 1.0),
        ("always 0", lambda one: 0.0),
        ("inverted", lambda one: 0.0 if one.passed else 1.0),
        ("length", lambda one: min(1.0, len(one.answer.code) / 16)),
        ("right on what passes alone", lambda one: 1.0 if one.passed or len(one.answer.code) % 5 else 0.0),
    ],
)
def test_a_judge_that_rewards_the_wrong_thing_is_not_admitted(name: str, grade: Callable[[Known], float]) -> None:
    assert reasons_against(figures(*known_pairs(240), grade))


def test_an_honest_judge_is_admitted_and_needs_two_hundred_grades() -> None:
    known, pairs = known_pairs(240)

    def honest(one: Known) -> float:
        return 0.8 if one.passed != (int(one.answer.content[:8], 16) % 100 < 15) else 0.2

    found = figures(known, pairs, honest)
    assert not reasons_against(found)
    assert 0.8 < (found.balanced_accuracy or 0) < 0.9
    few = figures_of(known, dict.fromkeys(pairs[:99], (0.8, 0.2)), {}, [])[0]
    assert (few.graded, few.missing) == (198, 42)
    assert "only 198 known answers have a grade, and 200 are needed" in reasons_against(few)[0]


def test_pairs_that_are_told_right_or_wrong_together_count_less() -> None:
    known, pairs = known_pairs(240)
    alone = figures(known, pairs, lambda one: float(one.passed != (int(one.answer.content[:8], 16) % 100 < 20)))
    together = figures(known, pairs, lambda one: float(one.passed != (int(one.answer.instruction[5:]) % 5 == 0)))
    assert together.balanced_accuracy == pytest.approx(0.8, abs=0.02)
    assert together.effective == pytest.approx(120, rel=0.05)
    assert alone.effective > 200


def test_grades_that_change_when_asked_again_are_told() -> None:
    known, pairs = known_pairs(40)
    grades: dict[Pair, Grades | None] = dict.fromkeys(pairs, (0.9, 0.1))
    again: dict[Pair, Grades | None] = {p: (0.8, 0.2) if n % 4 else (0.2, 0.2) for n, p in enumerate(pairs)}
    found = figures_of(known, grades, again, [True, False])[0]
    assert found.repeat_agreement == pytest.approx(1 - 0.25 / 2)
    assert (found.repeated, found.order_agreement) == (40, 0.5)


def calibrated(results: Path, words: list[str]) -> Calibration:
    """Store a calibration that admits the judge of these words for luanti."""
    settings = compose_experiment(words)[0].judge
    known, pairs = known_pairs(240)
    grades: dict[Pair, Grades | None] = {}
    right = {one.answer.content: float(one.passed) for one in known}
    for each in pairs:
        grades[each] = right[each.one.content], right[each.other.content]
    found, evidence = figures_of(known, grades, {}, [])
    calibration = Calibration(
        judge_id(settings, read_prompt(settings, "luanti")),
        "luanti",
        "",
        ("m",),
        found,
        (),
        "pool",
        "recorder",
        evidence,
    )
    write_calibration(results, calibration)
    return calibration


JUDGE = ["judge=endpoint", "judge.url=http://127.0.0.1:1", "judge.model=m"]


def test_a_calibration_holds_for_its_model_prompt_sampling_and_domain_alone(tmp_path: Path) -> None:
    stored = calibrated(tmp_path, JUDGE)
    settings = compose_experiment(JUDGE)[0].judge
    assert standing(settings, "luanti", tmp_path).calibration == replace(stored)
    rubric = tmp_path / "rubric.txt"
    rubric.write_text("Prefer short programs.")
    for other in (
        replace(settings, model="n"),
        replace(settings, temperature=0.5),
        replace(settings, rubric=str(rubric)),
    ):
        with pytest.raises(Refusal, match="is not calibrated for luanti") as refused:
            standing(other, "luanti", tmp_path)
        assert "python -m runner judge calibrate" in refused.value.fix
    with pytest.raises(Refusal, match="is not calibrated for roblox"):
        standing(settings, "roblox", tmp_path)
    elsewhere = replace(settings, url="http://127.0.0.1:2", price_prompt=3.0, max_calls=9)
    assert standing(elsewhere, "luanti", tmp_path).waiver == ""


def test_a_waiver_has_a_reason_and_is_told(tmp_path: Path) -> None:
    settings = replace(compose_experiment(JUDGE)[0].judge, waiver="a smoke test")
    found = standing(settings, "luanti", tmp_path)
    assert (found.calibration, found.waiver) == (None, "a smoke test")
    calibrated(tmp_path, JUDGE)
    assert standing(settings, "luanti", tmp_path).waiver == ""


def test_an_edited_calibration_admits_nobody(tmp_path: Path) -> None:
    stored = calibrated(tmp_path, JUDGE)
    path = calibration_file(tmp_path, stored.judge, "luanti")
    text = path.read_text()
    lowered = text.replace(f'"lower": {stored.figures.lower}', '"lower": 0.6')
    assert lowered != text
    path.write_text(lowered)
    found = read_calibration(tmp_path, stored.judge, "luanti")
    assert found is not None
    assert not found.admitted
    with pytest.raises(Refusal, match="is not admitted: its balanced accuracy"):
        standing(compose_experiment(JUDGE)[0].judge, "luanti", tmp_path)
    path.write_text(text[:-40])
    with pytest.raises(Refusal, match="not a calibration"):
        read_calibration(tmp_path, stored.judge, "luanti")


def test_nobody_grades_until_a_judge_is_named(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="judge = none: nobody grades"):
        standing(compose_experiment([])[0].judge, "luanti", tmp_path)


def test_every_domain_has_a_rubric_and_another_needs_one() -> None:
    settings = compose_experiment([])[0].judge
    assert {path.stem for path in FOLDER.glob("*.txt")} == set(DOMAINS)
    with pytest.raises(Refusal, match="the domain sums has no rubric of its own"):
        read_prompt(settings, "sums")
    with pytest.raises(Refusal, match="no such file"):
        read_prompt(replace(settings, rubric="none.txt"), "luanti")
