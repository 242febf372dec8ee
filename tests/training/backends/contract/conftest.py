"""The backends that the contract is tested on: each row of the table, with a small random model loaded by it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.support.model_work import trained
from tests.support.settings import model_settings
from training.backends import BACKENDS, Backend
from training.models import load_model
from training.tiny_random.cache import made_folder

Load = Callable[..., Any]
BASE = "tiny_random:llama"


# Each on one worker, so that its models are loaded once. What only samples is at a server, which has tests of its own.
ROWS = [
    pytest.param(backend, id=name, marks=(getattr(pytest.mark, name), pytest.mark.xdist_group(f"contract {name}")))
    for name, backend in BACKENDS.items()
    if backend.trains
]


@pytest.fixture(scope="session", params=ROWS)
def backend(request: pytest.FixtureRequest) -> Backend:
    """A backend of the table; where its library is missing its tests skip with the install line."""
    found: Backend = request.param
    if find_spec(found.library) is None:
        pytest.skip(f"{found.library} is not installed: {found.install}")
    return found


@pytest.fixture(scope="session")
def load(backend: Backend) -> Load:
    """Load a model's folder, or the random Llama, in float32 on one CPU thread, not quantised unless told otherwise."""

    def loaded(path: Path | str = BASE, **options: Any) -> Any:
        usual = {"quantization": "none", "device": "cpu", "dtype": "float32", "threads": 1}
        return load_model(backend.name, model_settings(str(path), **{**usual, **options}))

    return loaded


@pytest.fixture(scope="session")
def model(load: Load) -> Any:
    """The random Llama; whoever puts an adapter on takes it off."""
    return load()


@pytest.fixture(scope="session")
def packed(load: Load, backend: Backend) -> Any:
    """The same in the backend's own 4 bits."""
    return load(quantization=backend.quantizations[0])


@pytest.fixture(scope="session")
def adapter(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter of the one that is not quantised; it shows in every logit."""
    return trained(model, tmp_path_factory.mktemp("adapter"))


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the random Llama's folder, for a test to damage."""
    return Path(shutil.copytree(made_folder(BASE), tmp_path / "copy"))
