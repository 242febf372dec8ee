"""What Metal may use is wired, and decoding gives back what it no longer needs; no sample depends on either."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.mlx_models import load, needs_mlx
from tests.support.model_work import REQUESTS, SAMPLING

pytestmark = needs_mlx


def test_metal_s_recommendation_is_wired_and_a_model_that_fills_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from training.backends.mlx import metal

    wired: list[int] = []
    monkeypatch.setattr(metal.mx, "device_info", lambda: {"max_recommended_working_set_size": 12_000_000_000})
    monkeypatch.setattr(metal.mx, "set_wired_limit", wired.append)
    assert metal.wire_memory("cpu", 1) == {}
    assert wired == []
    small = metal.wire_memory("gpu", 2_300_000_000)["wired memory"]
    assert wired == [12_000_000_000]
    assert small.startswith("12.0 GB: what Metal recommends on this Mac; the weights take 2.3 GB")
    assert "WARNING" not in small
    assert "WARNING: nearly all of it" in metal.wire_memory("gpu", 11_500_000_000)["wired memory"]


def test_buffers_are_given_back_while_decoding_and_no_sample_changes(
    mlx_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.backends.mlx import generation, metal

    model: Any = load(mlx_folder)
    expected = model.generate(REQUESTS, SAMPLING)
    cleared, ahead = [], []
    monkeypatch.setattr(metal, "CLEAR_EVERY", 3)
    clear, start = metal.mx.clear_cache, generation.mx.async_eval
    monkeypatch.setattr(metal.mx, "clear_cache", lambda: cleared.append(1) or clear())
    monkeypatch.setattr(generation.mx, "async_eval", lambda *arrays: ahead.append(1) or start(*arrays))
    steps = list(model.draw(REQUESTS, SAMPLING))
    found = {(one.request, one.sample): one.completion for step in steps for one in step.ended}
    assert [[found[number, sample] for sample in range(len(r.seeds))] for number, r in enumerate(REQUESTS)] == expected
    assert len(cleared) >= len(steps) // 3 > 0
    # every step but the last of each batch starts the next one before it is told
    assert 0 < len(ahead) < len(steps)
