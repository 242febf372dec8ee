"""An adapter applied by the mlx backend computes what mlx-lm and PEFT compute, and leaves the base bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.support.mlx_models import KINDS, load, logits, needs_mlx, torch_logits
from tests.support.model_work import trained

pytestmark = needs_mlx


@pytest.mark.parametrize("quantization", ["none", "q4"])
@pytest.mark.parametrize("kind", KINDS)
def test_an_adapter_computes_what_mlx_lm_computes_and_leaves_the_base_bit_for_bit(
    mlx_folder: Path, quantization: str, kind: dict[str, bool], tmp_path: Path
) -> None:
    from mlx_lm.tuner.utils import load_adapters

    model = load(mlx_folder, quantization=quantization)
    base, adapter = logits(model), trained(model, tmp_path, **kind)
    with model.adapter(adapter, 1.0):
        ours = logits(model)
    with model.adapter(adapter, 0.5):
        half = logits(model)
    with model.adapter(adapter, 0.0):
        assert np.array_equal(logits(model), base)
    assert np.array_equal(logits(model), base)
    theirs = load(mlx_folder, quantization=quantization)
    load_adapters(theirs._loaded.model, str(adapter)).eval()
    assert np.allclose(ours, logits(theirs), atol=1e-3)
    assert np.abs(ours - base).max() > 10 * np.abs(ours - logits(theirs)).max()
    assert not np.allclose(half, base, atol=1e-2)
    assert not np.allclose(half, ours, atol=1e-2)


@pytest.mark.parametrize("kind", KINDS)
def test_an_adapter_loads_in_plain_peft(mlx_folder: Path, kind: dict[str, bool], tmp_path: Path) -> None:
    from peft import PeftModel

    model = load(mlx_folder)
    adapter = trained(model, tmp_path, **kind)
    with model.adapter(adapter, 1.0):
        ours = logits(model)
    base = load(mlx_folder, "transformers_peft")._loaded.model
    assert np.allclose(torch_logits(PeftModel.from_pretrained(base, adapter).eval()), ours, atol=1e-2)
