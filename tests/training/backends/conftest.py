"""Small models that tests of one backend alone share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


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
