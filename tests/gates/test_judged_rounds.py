"""Rejection sampling with a judge: its grades order programs that passed, after its calibration, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from env.refusal import Refusal
from gates import GATES
from gates.c_training.rounds.grading import GRADES
from gates.report import GateReport
from runner.runs.config import compose_experiment
from tests.gates.test_rounds import Scripted, files_of, model, recorder, run  # noqa: F401
from tests.support.judge_server import JudgeServer, each, judging
from training.backends.base import Completion

# Only the judge orders.
JUDGED = (
    "gate.c.rft.keep=best_score", "gate.c.rft.weights.judge=1", "gate.c.rft.weights.syntax=0",
    "gate.c.rft.weights.api=0", "gate.c.rft.weights.bugs=0", "gate.c.rft.weights.quality=0",
    "gate.c.rft.max_all_pass_pct=100", "judge=endpoint", "judge.url=http://127.0.0.1:1", "judge.model=judge",
)  # fmt: skip
WAIVED = "judge.waiver=a test"


@pytest.fixture
def server(model: Scripted, monkeypatch: pytest.MonkeyPatch) -> Iterator[JudgeServer]:  # noqa: F811
    """A judge that likes the longer of two programs; the model writes right answers in four ways, and wrong ones."""

    def write(prompt: str, seed: int) -> Completion:
        if seed % 5 == 4:
            return Completion(f"wrong = {seed}", "stop", 3)
        return Completion(f"{model.answers[prompt]}\nlocal v{seed % 4} = {'1' * (1 + seed % 4)}\n", "stop", 3)

    monkeypatch.setattr(model, "_write", write, raising=False)
    with judging(each(lambda code: min(10, len(code) / 60))) as found:
        yield found


def judged_run(folder: Path, model: Scripted, server: JudgeServer, *words: str) -> GateReport:  # noqa: F811
    return run(folder, model, *JUDGED, f"judge.url={server.url}", *words)


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_grades_order_the_programs_that_passed(model: Scripted, server: JudgeServer, tmp_path: Path) -> None:  # noqa: F811
    report = judged_run(tmp_path / "run", model, server, WAIVED)
    assert report.status == "passed", report.headline
    folder = tmp_path / "run" / "gate_c" / "rounds" / "1"
    grades = {str(line["content"]): float(str(line["grade"])) for line in lines(folder / GRADES)}
    passed = [line for line in lines(folder / "draws.jsonl") if line["verdict"]["outcome"] == "PASSED"]  # type: ignore[index]
    kept = lines(folder / "selected.jsonl")
    assert len(server.seen) > 10
    assert len(kept) > 3
    for line in kept:
        own = [one for one in passed if one["task_id"] == line["task_id"]]
        if str(line["content"]) in grades and len({one["candidate"]["code"] for one in own}) > 1:  # type: ignore[index]
            assert grades[str(line["content"])] == pytest.approx(line["score"], abs=1e-6)
            best = max(len(one["candidate"]["code"]) for one in own)  # type: ignore[index]
            [mine] = {one["candidate"]["code"] for one in own if one["completion"]["text"] == line["output"]}  # type: ignore[index]
            assert len(mine) == best
    [told] = [check for check in report.checks if check.name == "round 1 judge"]
    assert "its calibration is waived: a test" in told.reason


def test_what_failed_is_never_shown_to_the_judge(model: Scripted, server: JudgeServer, tmp_path: Path) -> None:  # noqa: F811
    judged_run(tmp_path / "run", model, server, WAIVED)
    draws = lines(tmp_path / "run" / "gate_c" / "rounds" / "1" / "draws.jsonl")
    failed = {one["candidate"]["code"] for one in draws if one["verdict"]["outcome"] != "PASSED"}  # type: ignore[index]
    shown = json.dumps(server.seen)
    assert any(str(code).startswith("wrong") for code in failed)
    assert not [code for code in failed if code and json.dumps(code)[1:-1] in shown]


def test_an_interrupted_round_asks_nothing_again_and_keeps_the_same(
    model: Scripted,  # noqa: F811
    server: JudgeServer,
    tmp_path: Path,
) -> None:
    judged_run(tmp_path / "run", model, server, WAIVED)
    asked, before = len(server.seen), files_of(tmp_path / "run" / "gate_c")
    for name in ("scores.jsonl", "selected.jsonl", GRADES, "round.json"):
        (tmp_path / "run" / "gate_c" / "rounds" / "1" / name).unlink()
    judged_run(tmp_path / "run", model, server, WAIVED)
    assert len(server.seen) == asked
    assert files_of(tmp_path / "run" / "gate_c") == before


def test_a_judge_that_is_not_calibrated_is_refused_before_anything_is_drawn(
    model: Scripted,  # noqa: F811
    server: JudgeServer,
    tmp_path: Path,
) -> None:
    with pytest.raises(Refusal, match="is not calibrated for luanti"):
        judged_run(tmp_path / "run", model, server)
    assert (model.drawn, server.seen) == (0, [])


def test_a_budget_that_does_not_suffice_stops_before_a_request(
    model: Scripted,  # noqa: F811
    server: JudgeServer,
    tmp_path: Path,
) -> None:
    with pytest.raises(Refusal, match="would need"):
        judged_run(tmp_path / "run", model, server, WAIVED, "judge.max_calls=3")
    assert server.seen == []


def test_a_judges_keys_reach_stored_results_only_where_its_grade_counts() -> None:
    def depends(*words: str) -> tuple[str, ...]:
        return GATES["c"].uses_under(compose_experiment(list(words))[1])

    assert "judge" not in depends()
    assert "judge" not in depends("gate/c=rft")
    assert "judge" in depends("gate/c=rft", *JUDGED)
    with pytest.raises(Refusal, match=r"gate.c.rft.weights.judge is above 0 and nobody judges"):
        compose_experiment(["gate/c=rft", "gate.c.rft.weights.judge=1"])
