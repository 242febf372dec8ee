"""No command is silent for long: what takes more than ten seconds says on standard error what it does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from env.checks import Check, fact
from env.refusal import Refusal
from eval.datasets.__main__ import main as datasets_main
from eval.simulate.command import main as simulate_main
from tests.support.runs import PROJECT, Cli


def test_every_command_that_takes_long_says_what_it_works_on(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("env.silence.INTERVAL_S", 0.02)
    monkeypatch.setattr("runner.cli.app", lambda *_, **__: time.sleep(0.3))
    for command in ("export", "report", "compare", "status"):
        code, printed = cli(command)
        assert code == 0
        assert f"still working on `{command}`, for 0 s\n" in printed


def test_doctor_says_which_part_it_checks_also_in_a_pipe(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: object, on_part: Callable[[str], None], **__: object) -> Iterator[list[Check]]:
        on_part("the data")
        time.sleep(0.3)
        yield [fact("data", "fine")]

    monkeypatch.setattr("env.silence.INTERVAL_S", 0.02)
    monkeypatch.setattr("gates.a_environment.gate.inspect", slow)
    for words in ((), ("--json",)):
        _, printed = cli("doctor", *words)
        assert "still checking the data, for 0 s\n" in printed


def test_a_screen_of_its_own_is_not_talked_into(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def live(*_: object) -> int:
        time.sleep(0.3)
        return 0

    monkeypatch.setattr("env.silence.INTERVAL_S", 0.25)
    monkeypatch.setattr("runner.advance.loop.advance", live)
    monkeypatch.setattr("runner.cli.advancing._prepared", lambda *_: PROJECT)
    assert cli("advance") == (0, "")


def test_a_long_validation_says_under_which_verifier_it_is(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("env.silence.INTERVAL_S", 0.05)

    def slow(*_: object) -> None:
        time.sleep(0.4)
        raise Refusal("It does not open.")

    monkeypatch.setattr("eval.datasets.__main__.open_verifier", slow)
    assert datasets_main(["validate", "--verifier", "recorder"]) == 2
    assert "still verifying under recorder, for 0 s\n" in capfd.readouterr().err


def test_a_long_simulation_counts_its_experiments(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("env.silence.INTERVAL_S", 0.02)
    arguments = ["--trials", "50", "--resamples", "1000", "--gains-pp", "10", "--cells", "equal", "--processes", "1"]
    assert simulate_main(arguments) == 0
    assert "still simulating, 25 of 50 experiments of this line, for" in capfd.readouterr().err
