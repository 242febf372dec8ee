"""Fixtures that several test files share: a results folder, and the command line in this process."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.runs import PROJECT, Cli


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A results folder that does not exist yet."""
    return tmp_path / "results"


@pytest.fixture
def cli(results: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Cli:
    """Run the command line in this process on ``results``; return exit code and everything printed."""
    from runner.cli import main

    monkeypatch.setenv("LUAGATE_RESULTS", str(results))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.chdir(PROJECT)

    def call(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["runner", *arguments])
        code = main()
        printed = capfd.readouterr()
        return code, printed.out + printed.err

    return call
