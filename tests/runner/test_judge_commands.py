"""The commands of an LLM judge: what they cost is said before, a no ends with 3, and a key stands in no file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gates.judging import calibrating
from runner.runs.folder import Run
from tests.support.judge_server import JudgeServer, each, honest, judging
from tests.support.known_answers import made_up_pool
from tests.support.run_factory import make_run
from tests.support.runs import Cli
from tests.support.story import SMALL

PRICES = ("judge.price_prompt=2", "judge.price_completion=10")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[JudgeServer]:
    pool = made_up_pool()
    right = {known.answer.code: known.passed for known in pool.known}
    monkeypatch.setattr(calibrating, "draw_pool", lambda _: pool)
    with judging(honest(lambda code: right.get(code, True), 0.9)) as found:
        yield found


@pytest.fixture
def decided(results: Path) -> Run:
    run = make_run(results, SMALL)
    # of a made-up run they do not compose
    run.file("overrides.txt").write_text("")
    return run


def judge_of(server: JudgeServer) -> tuple[str, ...]:
    return "judge=endpoint", f"judge.url={server.url}", f"judge.model={server.model}", "judge.retry_s=1"


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["calibrate"], ["judge = none", "judge=endpoint"]),
        (["calibrate", "judge=endpoint"], ["judge.model: not set", "judge.model=NAME"]),
        (["calibrate", "judge=endpoint", "judge.url=here", "judge.model=m"], ["judge.url", "http://127.0.0.1:8000"]),
        (["calibrate", "judge=openai"], ["judge=openai: no such choice", "endpoint"]),
        (["calibrate", "judge.candidates=100"], ["judge.candidates", "200"]),
        (["calibrate", "judge.prise_prompt=1"], ["judge.prise_prompt", "judge.price_prompt"]),
        (["score"], ["There is no run"]),
        (["score", "one", "two"], ["Several runs are named"]),
    ],
)
def test_bad_input_is_a_sentence_with_the_key_and_writes_nothing(
    cli: Cli, results: Path, arguments: list[str], words: list[str]
) -> None:
    code, text = cli("judge", *arguments)
    assert code == 2, text
    assert "Traceback" not in text
    for word in words:
        assert word in text
    assert not results.exists()


def test_a_dry_run_says_what_would_be_asked_and_asks_and_writes_nothing(
    cli: Cli, server: JudgeServer, decided: Run, results: Path
) -> None:
    before = files(results)
    code, text = cli("judge", "calibrate", "--dry-run", *judge_of(server), *PRICES)
    assert code == 0, text
    assert "280 calls, at most" in text
    assert "0 of 1,000 calls are made, 0 of 5 spent" in text
    code, text = cli("judge", "score", decided.id, "--dry-run", *judge_of(server), "judge.max_calls=1")
    assert code == 0, text
    assert "more than the budget allows" in text
    code, text = cli("judge", "calibrate", "--dry-run", "--json", *judge_of(server))
    assert json.loads(text)["needs"]["calls"] == 280
    assert files(results) == before
    assert server.seen == []


def test_a_judge_is_calibrated_used_and_shown_and_its_key_stands_in_no_file(
    cli: Cli, server: JudgeServer, decided: Run, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "sk-" + "q" * 30
    monkeypatch.setenv("MY_KEY", key)
    words = (*judge_of(server), *PRICES, "judge.api_key_env=MY_KEY")
    code, text = cli("judge", "score", *words)
    assert code == 2
    assert "python -m runner judge calibrate" in text
    code, text = cli("judge", "calibrate", *words)
    assert code == 0, text
    assert "judge as a judge of luanti: admitted" in text
    assert "280 of 1,000 calls are made" in text
    code, text = cli("judge", "score", *words)
    assert code == 0, text
    assert "judged quality of passed answers" in text
    _, text = cli("judge", "score", "--json", *words)
    told = json.loads(text[text.index("{") : text.rindex("}") + 1])
    assert told["graded"] > 0
    assert cli("report")[0] == 0
    assert "Judged quality" in (decided.folder / "report.md").read_text()
    assert {headers["Authorization"] for headers in server.headers} == {f"Bearer {key}"}
    assert not [path for path, content in files(results).items() if key.encode() in content]
    assert "judge" not in (decided.folder / "config.yaml").read_text()


def test_a_judge_that_is_not_admitted_ends_with_3_and_its_reasons(cli: Cli, server: JudgeServer, results: Path) -> None:
    server.says = each(lambda code: 10)
    code, text = cli("judge", "calibrate", *judge_of(server))
    assert code == 3, text
    assert "not admitted" in text
    assert "balanced accuracy is 0.50" in text
    code, text = cli("judge", "calibrate", "--json", *judge_of(server))
    assert code == 3
    assert json.loads(text[text.index("{") : text.rindex("}") + 1])["admitted"] is False
    assert len(server.seen) == 280


def test_a_budget_that_is_used_up_on_the_way_ends_with_3_and_keeps_what_was_asked(
    cli: Cli, server: JudgeServer, results: Path
) -> None:
    server.faults = [lambda handler: handler.send_json({}, 500, {"Retry-After": "0"})] * 5
    code, text = cli("judge", "calibrate", *judge_of(server), "judge.max_calls=280")
    assert code == 3, text
    assert "budget is used up: 280 of 280 calls are made" in text
    assert "judge.max_calls" in text
    assert not (results / "judge" / "calibrations").exists()
    assert cli("judge", "calibrate", *judge_of(server))[0] == 0
    assert len(server.seen) == 285


def test_other_words_are_a_task_and_a_program(cli: Cli, tmp_path: Path) -> None:
    program = tmp_path / "program.lua"
    program.write_text("return true")
    for words in (("judge",), ("judge", "program")):
        code, text = cli(*words, "nothing", str(program), "dataset=luanti_mini")
        assert code == 2
        assert 'The dataset has no task "nothing"' in text
