"""Fixtures that several test files share: result folders, runs in them, the command line, a tiny model."""

from __future__ import annotations

import copy
import gc
import os
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from runner.runs.folder import Run
from tests.support.distribution import longest_first
from tests.support.quick import holds_no_quick_test, mark_quick
from tests.support.runs import DEADLINE_S, PROJECT, Cli
from training.backends import BACKENDS

# As in an activated environment: a command that a screen names is one that works in the shell.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
# How long an example takes is the machine's affair.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


def pytest_configure(config: pytest.Config) -> None:
    """Know each backend's name as a mark: what needs its library, and skips without it, saying so."""
    for backend in BACKENDS.values():
        config.addinivalue_line("markers", f"{backend.name}: needs {backend.library} ({backend.install})")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Where quick tests alone are asked for, leave out the files that have none: importing torch takes seconds."""
    return True if config.option.markexpr == "quick" and holds_no_quick_test(collection_path) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what `make quick` runs; what may take longest begins first, so that no worker is left with it at the end."""
    mark_quick(items)
    longest_first(items)


def pytest_collection_finish() -> None:
    """Take what collecting left out of garbage collection: each collection walks thousands of tests and modules again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def unflushed() -> Iterator[None]:
    """Leave flushes to the disk out in this process: a story's run has 69. Processes that tests start do flush."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def composing_once() -> Iterator[None]:
    """Have Hydra compose the same words of conf/ once: that takes a fifth of a second, thousands of times.

    A copy of conf/, which a test may edit, is composed each time.
    """
    from runner.runs import config

    shipped, compose = config.CONF, config._composed
    once = cache(lambda words, profile, _its_text: compose(words, profile))

    def composed(words: Sequence[str], profile: Path | None) -> tuple[dict[str, Any], dict[str, str]]:
        if shipped != config.CONF:
            return compose(words, profile)
        text = profile.read_bytes() if profile is not None and profile.is_file() else None
        return copy.deepcopy(once(tuple(words), profile, text))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(config, "_composed", composed)
        yield


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
    # how slow the machine is must not show in what is printed
    monkeypatch.setattr("env.silence.INTERVAL_S", DEADLINE_S)
    monkeypatch.chdir(PROJECT)

    def call(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["runner", *arguments])
        code = main()
        printed = capfd.readouterr()
        return code, printed.out + printed.err

    return call


@pytest.fixture
def usual_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a test's own runs those that a command without --run speaks of."""
    monkeypatch.setenv("LUAGATE_RESULTS", str(tmp_path))


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run through all gates, of which four test tasks leaked; it is read by many tests and changed by none."""
    from tests.support.run_factory import make_run
    from tests.support.story import Story

    return make_run(tmp_path_factory.mktemp("results"), Story(contaminated=4, waiver="kept to compare"))


@pytest.fixture
def small_run(tmp_path: Path) -> Run:
    """A run of few tasks through all gates, for a test to change or to damage."""
    from tests.support.run_factory import make_run
    from tests.support.story import SMALL

    return make_run(tmp_path, SMALL)
