"""A model at a fake server, opened as the gates open it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.support.fake_server import Fake, Words, serving
from tests.support.settings import composed
from training.backends.base import ModelIdentity, Serves
from training.backends.endpoint import open_server
from training.checkpoints import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from training.exports import Form
from training.sampler import Reference, SamplerSettings

REFERENCES = (Reference("t1", "write one", "return 1"), Reference("t2", "write two", "return 2"))
Open = Callable[..., Serves]


def sampler(fake: Fake, folder: Path, **changes: Any) -> SamplerSettings:
    """Return the settings that conf/ gives, for a fake server, without waiting for what will not pass."""
    base = composed("sampler=endpoint").sampler
    own = {"urls": (fake.url,), "adapters_folder": str(folder / "served"), "retry_s": 0.0, "timeout_s": 30.0}
    return replace(base, **{**own, **changes})


@pytest.fixture
def fake() -> Iterator[Fake]:
    with serving() as served:
        yield served


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    """Open the model at a fake server; closed at the end."""
    with ExitStack() as stack:

        def export(adapter: Path, scale: float, form: Form, to: Path) -> None:
            (to / "written.txt").write_text(f"{adapter.name} {scale} {form}")

        def open_model(fake: Fake, **changes: Any) -> Serves:
            settings = sampler(fake, tmp_path, **changes)
            identity = ModelIdentity("digest", {"weights": "w"})
            model = open_server(settings, Words(), export, identity, 7, REFERENCES, 0.001)  # type: ignore[arg-type]
            stack.callback(model.close)
            return model

        yield open_model


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """A LoRA adapter's folder in PEFT's layout."""
    folder = tmp_path / "checkpoints" / "step-000003"
    folder.mkdir(parents=True)
    half = "base_model.model.layers.0.q_proj.lora_"
    tensors = {f"{half}{side}.weight": np.ones((2, 2), np.float32) for side in "AB"}
    save_file(tensors, folder / ADAPTER_WEIGHTS)
    (folder / ADAPTER_CONFIG).write_text('{"peft_type": "LORA", "r": 2, "lora_alpha": 4}')
    return folder
