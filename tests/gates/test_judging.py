"""A judge held against execution on training tasks, and what it says of a decided run: by a server that a test speaks for."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from env.refusal import Refusal
from eval.judge.opening import standing
from gates.judging import QUALITY_FILE, calibrating
from gates.judging.calibrating import calibrate, calibration_needs
from gates.judging.paired import score_needs, score_run
from gates.judging.pool import Pool, draw_pool, laid_out_otherwise
from gates.measuring.bench import dataset_of
from gates.settings import Experiment
from runner.report import build, write_html, write_markdown
from runner.runs.config import compose_experiment
from runner.runs.folder import Run
from runner.screens.answers.verdicts.grading import figure_lines
from tests.support import word_judge
from tests.support.judge_server import JudgeServer, each, honest, judging
from tests.support.runs import PROJECT

Says = Callable[[str, str], str]


def experiment_for(url: str, model: str = "judge", **more: Any) -> Experiment:
    """Return the tiny experiment with a judge at this address."""
    # conf/ is composed once, whatever the server's port
    found = compose_experiment(["judge=endpoint", "judge.url=http://127.0.0.1:1", "judge.model=judge"])[0]
    judge = replace(found.judge, **{"url": url, "model": model, "retry_s": 5.0, **more})
    return found.model_copy(update={"judge": judge})


@pytest.fixture(scope="module")
def pool() -> Pool:
    """Known answers to training tasks of the tiny experiment, executed once for all tests here."""
    return draw_pool(experiment_for("http://127.0.0.1:1"))


@pytest.fixture
def server(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> Iterator[JudgeServer]:
    """A judge that is right about 85 of 100 programs."""
    monkeypatch.setattr(calibrating, "draw_pool", lambda _: pool)
    with judging(truthful(pool, 0.85)) as found:
        yield found


def truthful(pool: Pool, accuracy: float) -> Says:
    passes = {known.answer.code.rstrip(): known.passed for known in pool.known}
    return honest(lambda code: passes.get(code, True), accuracy)


def test_known_answers_are_of_training_tasks_alone_and_no_pair_gives_its_verdicts_away(pool: Pool) -> None:
    experiment = experiment_for("http://127.0.0.1:1")
    asked = {known.answer.task for known in pool.known}
    assert not asked & {(task.instruction, task.input) for task in dataset_of(experiment).tasks}
    assert len({known.answer.content for known in pool.known}) == len(pool.known) == experiment.judge.candidates
    passed = {known.answer.content: known.passed for known in pool.known}
    right = Counter(passed[p.one.content] + passed[p.other.content] for p in pool.pairs)
    assert min(right.values()) > 20
    assert 0.4 < sum(passed.values()) / len(passed) < 0.6


def test_a_program_laid_out_otherwise_is_the_same_program() -> None:
    assert laid_out_otherwise("if a then\n\n  b()\nend\n") == "if a then\n    b()\nend\n"


def test_an_honest_judge_is_admitted_and_asked_once(server: JudgeServer, tmp_path: Path) -> None:
    experiment = experiment_for(server.url, price_prompt=2.0, price_completion=10.0)
    needs, _ = calibration_needs(experiment, tmp_path)
    assert list(tmp_path.iterdir()) == []
    found = calibrate(experiment, tmp_path)
    assert found.calibration.admitted, found.calibration.reasons
    assert len(server.seen) == needs.calls == 240 + 2 * experiment.judge.repeats
    assert found.spent.cost <= needs.cost
    figures = found.calibration.figures
    assert 0.78 < (figures.balanced_accuracy or 0) < 0.92
    assert abs(figures.length_correlation or 0) < 0.3
    assert abs((figures.length_auc or 0) - 0.5) < 0.15
    assert (figures.order_agreement, figures.repeat_agreement) == (1.0, 1.0)
    again = calibrate(experiment, tmp_path)
    assert len(server.seen) == needs.calls
    assert again == found


def test_the_worked_example_of_the_page_prints_these_figures(server: JudgeServer, tmp_path: Path) -> None:
    server.model, server.reads = "word-judge", word_judge.reads
    prices = {"price_prompt": 0.5, "price_completion": 1.5}
    found = calibrate(experiment_for(server.url, "word-judge", **prices), tmp_path)
    lines = [line.text for line in figure_lines(found.calibration.figures)]
    shown = [
        *found.calibration.reasons,
        *lines,
        found.calibration.pool,
        "280 of 1,000 calls are made, 0.1064 of 5 spent",
    ]
    page = (PROJECT / "docs" / "judge.md").read_text()
    assert [line for line in shown if line.strip() not in page] == []


@pytest.mark.parametrize(
    ("model", "says", "words"),
    [
        ("always-1", each(lambda code: 10), "balanced accuracy is 0.50"),
        ("length", each(lambda code: min(10, len(code) / 20)), "balanced accuracy"),
        ("prose", lambda first, second: "Both are good.", "only 0 known answers have a grade"),
    ],
)
def test_a_judge_of_something_else_is_refused(
    server: JudgeServer, tmp_path: Path, model: str, says: Says, words: str
) -> None:
    server.model, server.says = model, says
    experiment = experiment_for(server.url, model)
    assert words in " ".join(calibrate(experiment, tmp_path).calibration.reasons)
    with pytest.raises(Refusal, match="is not admitted"):
        standing(experiment.judge, "luanti", tmp_path)


def test_an_inverted_and_a_weak_judge_are_refused(server: JudgeServer, pool: Pool, tmp_path: Path) -> None:
    for model, accuracy in (("inverted", 0.0), ("weak", 0.62)):
        server.model, server.says = model, truthful(pool, accuracy)
        assert not calibrate(experiment_for(server.url, model), tmp_path).calibration.admitted


def test_requests_without_a_reply_are_missing_and_too_many_of_them_admit_nobody(
    server: JudgeServer, tmp_path: Path
) -> None:
    server.faults = [lambda handler: handler.send_json({"error": "too long"}, 400)] * 2
    found = calibrate(experiment_for(server.url), tmp_path)
    assert found.troubles == ('answered 400: {"error": "too long"}',) * 2
    assert found.calibration.figures.missing in (2, 4)
    assert found.calibration.admitted
    # what failed is asked again another time, and nothing else
    asked = len(server.seen)
    assert calibrate(experiment_for(server.url), tmp_path).calibration.figures.missing == 0
    assert len(server.seen) == asked + 2


def test_a_calibration_beyond_the_budget_is_refused_before_anything_is_asked(
    server: JudgeServer, tmp_path: Path
) -> None:
    with pytest.raises(Refusal, match="would need 280 calls"):
        calibrate(experiment_for(server.url, max_calls=279), tmp_path)
    assert server.seen == []
    assert list(tmp_path.iterdir()) == []


def test_a_pool_that_is_too_small_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gates.judging.pool.training_tasks", lambda settings, count: ())
    with pytest.raises(Refusal, match="give 0 known answers that execution confirms; a calibration needs 200"):
        draw_pool(experiment_for("http://127.0.0.1:1"))


def test_judged_quality_stands_in_the_report_base_beside_adapter(
    server: JudgeServer, small_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = experiment_for(server.url)
    with pytest.raises(Refusal, match="is not calibrated for luanti"):
        score_run(small_run.folder, experiment)
    calibrate(experiment, small_run.folder.parent)
    server.seen.clear()
    server.says = each(lambda code: 4 + len(code) % 5)
    needs, _ = score_needs(small_run.folder, experiment)
    found = score_run(small_run.folder, experiment)
    assert len(server.seen) == needs.calls > 0
    quality = found.quality
    assert 0 < quality.graded <= quality.both
    for task in quality.tasks:
        for side, programs in ((task.base, task.base_programs), (task.adapter, task.adapter_programs)):
            if side is not None:
                assert side == pytest.approx(sum(quality.grades[one] for one in programs) / len(programs))
    told = json.loads((small_run.folder / QUALITY_FILE).read_text())
    assert told["gain"]["value"] == pytest.approx(told["adapter"]["value"] - told["base"]["value"])
    score_run(small_run.folder, experiment)
    assert len(server.seen) == needs.calls

    data = build(small_run)
    assert data.judged is not None
    assert data.problems == ()
    assert (data.judged.gain.value, data.judged.both) == (quality.gain.value, quality.both)
    assert "balanced accuracy" in data.judged.why
    for page in (write_markdown(data, small_run.folder), write_html(data, small_run.folder)):
        assert "Judged quality" in page.read_text()


def test_no_request_tells_an_arm_a_verdict_or_a_run(server: JudgeServer, small_run: Run) -> None:
    score_run(small_run.folder, experiment_for(server.url, waiver="blinding"))
    said = json.dumps(server.seen)
    assert not [word for word in (small_run.id, "adapter", "step-0", "PASSED", "recorder", "gate_") if word in said]


def test_a_waiver_is_shown_and_grades_of_another_decision_are_not(server: JudgeServer, small_run: Run) -> None:
    score_run(small_run.folder, experiment_for(server.url, waiver="only to see the page"))
    data = build(small_run)
    assert data.judged is not None
    assert data.judged.is_waived
    assert "only to see the page" in write_markdown(data, small_run.folder).read_text()
    report = small_run.gate_folder("e") / "report.json"
    report.write_text(report.read_text() + " ")
    assert build(small_run).judged is None
    assert "earlier decision" in build(small_run).no_judged


def test_a_damaged_file_of_grades_costs_its_section_alone(server: JudgeServer, small_run: Run) -> None:
    assert build(small_run).judged is None
    score_run(small_run.folder, experiment_for(server.url, waiver="damage"))
    (small_run.folder / QUALITY_FILE).write_text("{}")
    data = build(small_run)
    assert data.judged is None
    assert any("Judged quality: left out" in problem for problem in data.problems)


def test_another_model_behind_the_same_name_is_noticed(server: JudgeServer, small_run: Run) -> None:
    experiment = experiment_for(server.url)
    calibrate(experiment, small_run.folder.parent)
    server.model = "judge-of-next-month"
    with pytest.raises(Refusal, match="answers as judge-of-next-month; what was calibrated answered as judge"):
        score_run(small_run.folder, experiment)


def test_a_run_that_is_not_decided_has_nothing_to_grade(server: JudgeServer, tmp_path: Path) -> None:
    from tests.support.run_factory import make_run
    from tests.support.story import Story

    run = make_run(tmp_path, Story(dev_tasks=6, test_tasks=9, gates="abcd"))
    with pytest.raises(Refusal, match="is not decided"):
        score_run(run.folder, experiment_for(server.url, waiver="early"))


def test_arms_that_passed_no_task_both_leave_nothing_to_grade(server: JudgeServer, tmp_path: Path) -> None:
    from tests.support.run_factory import make_run
    from tests.support.story import Story

    run = make_run(tmp_path, Story(dev_tasks=6, test_tasks=9, base_rate=0.0))
    with pytest.raises(Refusal, match="no task was passed by both arms"):
        score_run(run.folder, experiment_for(server.url, waiver="nothing"))
    assert server.seen == []


def test_files_of_ones_own_are_calibrated_on_the_domains_training_rows(pool: Pool) -> None:
    from gates.judging.pool import _with_checks

    own = replace(
        experiment_for("http://127.0.0.1:1").dataset, name="jsonl", domain="luanti", eval="a.jsonl", train="b.jsonl"
    )
    assert _with_checks(own).name == "luantibench"
