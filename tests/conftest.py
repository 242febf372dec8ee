"""Fixtures that several test files share: result folders, runs in them, the command line, a tiny model."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from runner.runs.folder import Run
from tests.support.runs import PROJECT, Cli
from training.backends import BACKENDS

# As in an activated environment: a command that a screen names is one that works in the shell.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])


def pytest_configure(config: pytest.Config) -> None:
    """Know each backend's name as a mark: what needs its library, and skips without it, saying so."""
    for backend in BACKENDS.values():
        config.addinivalue_line("markers", f"{backend.name}: needs {backend.library} ({backend.install})")


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


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random Llama's folder, which no test writes to."""
    from tests.support.tiny_random import make_model

    return make_model(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="session")
def quantized(llama: Path) -> Any:
    """The same, loaded in NF4; whoever puts an adapter on takes it off."""
    from tests.support.model_work import load

    return load(llama, quantization="nf4")


@pytest.fixture(scope="session")
def adapter_folder(quantized: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter of it that shows in every logit."""
    from tests.support.model_work import trained

    return trained(quantized, tmp_path_factory.mktemp("adapter"))


@pytest.fixture(scope="session")
def mlx_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama's folder of whole groups of 64, as mlx quantises; no test writes to it."""
    from tests.support.mlx_models import made

    return made(tmp_path_factory.mktemp("mlx"))


@pytest.fixture(scope="session")
def mlx_model(mlx_folder: Path) -> Any:
    """The same, loaded by mlx; whoever puts an adapter on takes it off."""
    from tests.support.mlx_models import load

    return load(mlx_folder)


@pytest.fixture(scope="session")
def mlx_quantized(mlx_folder: Path) -> Any:
    """The same in mlx's own 4 bits."""
    from tests.support.mlx_models import load

    return load(mlx_folder, quantization="q4")


@pytest.fixture(scope="session")
def mlx_adapter(mlx_model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter of the one that is not quantised; it shows in every logit."""
    from tests.support.model_work import trained

    return trained(mlx_model, tmp_path_factory.mktemp("mlx_adapter"))
