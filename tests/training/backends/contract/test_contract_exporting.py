"""Every backend that exports: what it writes computes, read back by its own library, what the applied adapter computed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from env.refusal import Refusal
from tests.support.model_work import trained
from tests.support.settings import lora_settings, model_settings
from training.backends import Backend
from training.exports import ExportRequest, RoundTrip
from training.models import check_settings, export_adapter

TEXTS = ("local x = 1", "return {")


def exported(backend: Backend, quantization: Any, adapter: Path, scale: float, form: Any, to: Path) -> RoundTrip:
    settings = model_settings("tiny_random:llama", quantization=quantization, device="cpu", dtype="float32", threads=1)
    to.mkdir()
    return export_adapter(backend.name, settings, ExportRequest(adapter, scale, form, to, TEXTS))


@pytest.fixture(autouse=True)
def exports(backend: Backend) -> None:
    """Skip where the row says that the backend does not export."""
    if not backend.exports:
        pytest.skip(f"backend {backend.name} does not export")


@pytest.mark.parametrize("held", ["model", "packed"])
@pytest.mark.parametrize("form", ["adapter", "merged"])
@pytest.mark.parametrize("kind", [{}, {"rslora": True}])
def test_an_export_read_back_computes_what_was_measured(
    backend: Backend, held: str, form: str, kind: dict[str, bool], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    found = request.getfixturevalue(held)
    adapter = trained(found, tmp_path / "adapter", **kind)
    quantization = "none" if held == "model" else backend.quantizations[0]
    told = exported(backend, quantization, adapter, 0.5, form, tmp_path / "export")
    assert told.same_choice == 1.0
    assert told.max_difference < 0.1 * told.spread
    assert told.positions >= 5


def test_a_merged_model_is_loaded_and_measured_like_any_other(
    backend: Backend, load: Any, model: Any, adapter: Path, tmp_path: Path
) -> None:
    exported(backend, "none", adapter, 0.5, "merged", tmp_path / "merged")
    base = model.log_prob("local x", " = 1")
    with model.adapter(adapter, 0.5):
        worn = model.log_prob("local x", " = 1")
    assert abs(load(tmp_path / "merged").log_prob("local x", " = 1") - worn) < 0.1 * abs(worn - base)


def test_a_dora_adapter_has_no_adapter_form_at_another_scale(backend: Backend, model: Any, tmp_path: Path) -> None:
    held = model_settings("tiny_random:llama", quantization="none", device="cpu")
    try:
        check_settings(backend.name, held, lora_settings(dora=True))
    except Refusal as refusal:
        pytest.skip(refusal.sentence)
    adapter = trained(model, tmp_path / "adapter", dora=True)
    assert exported(backend, "none", adapter, 1.0, "adapter", tmp_path / "whole").same_choice == 1.0
    with pytest.raises(Refusal, match="its magnitudes do not scale"):
        exported(backend, "none", adapter, 0.5, "adapter", tmp_path / "half")
