"""What tests of the mlx backend share: small random models, the embedded one, and their logits."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.runs import PROJECT
from tests.support.settings import model_settings
from training.models import load_model
from training.tiny_random.architectures import architecture

needs_mlx = [
    pytest.mark.mlx,
    pytest.mark.skipif(find_spec("mlx_lm") is None, reason="mlx-lm is not installed: `make setup-mlx`"),
]

EMBEDDED = PROJECT / "training/tiny/model"
KINDS: list[dict[str, Any]] = [{}, {"rslora": True}, {"dora": True}]
PROMPT, ANSWER = "### Instruction:\nRegister a node.\n\n### Response:\n", 'core.register_node("a:b", {\n'
# mlx-lm rounds YaRN's borders whatever the configuration says: equal numbers need a configuration that rounds them too
_YARN = {"rope_type": "yarn", "rope_theta": 150000.0, "factor": 32.0, "original_max_position_embeddings": 4096}
_GPT_OSS = {"num_hidden_layers": 4, "sliding_window": 8, "rope_parameters": {**_YARN, "truncate": True}}


def made(folder: Path, name: str = "llama", seed: int = 0, **sizes: Any) -> Path:
    """Write the random model ``name`` into ``folder``."""
    from training.tiny_random.making import make_model

    folder.mkdir(parents=True, exist_ok=True)
    make_model(folder, architecture(name), seed, sizes)
    return folder


def made_comparable(folder: Path, name: str) -> Path:
    """Write the random model ``name`` so that mlx-lm and transformers read all of its configuration alike."""
    return made(folder, name, **(_GPT_OSS if name == "gpt_oss" else {}))


def load(folder: Path, backend: str = "mlx", **options: Any) -> Any:
    """Load in float32 on a CPU, not quantised unless ``options`` say otherwise."""
    options = {"quantization": "none", "device": "cpu", "dtype": "float32", "threads": 1, **options}
    return load_model(backend, model_settings(str(folder), **options))


def copied(folder: Path, tmp_path: Path) -> Path:
    """Return a copy of ``folder`` for a test to damage."""
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def logits(model: Any, ids: Sequence[int] = range(2, 40)) -> np.ndarray[Any, Any]:
    """Return the logits after each of ``ids``, (ids, vocabulary), as the backend's own module computes them."""
    import mlx.core as mx

    return np.array(model._loaded.model(mx.array([list(ids)]))[0])


def torch_logits(network: Any, ids: Sequence[int] = range(2, 40)) -> np.ndarray[Any, Any]:
    """Return the same of a module of torch's."""
    from tests.support.model_work import logits

    return np.array(logits(network, ids)[0])
