"""A base model is loaded whole, on the asked device in a stated number format, or refused by the file that is wrong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from env.refusal import Refusal
from tests.support.model_work import load, logits
from tests.support.settings import model_settings
from training.backends.transformers_peft.choosing import choose_dtype


@pytest.fixture(scope="module")
def model(llama: Path) -> Any:
    return load(llama)


def copied(llama: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(llama, tmp_path / "copy"))


def test_a_hub_model_that_cannot_be_had_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def offline(*arguments: Any, **options: Any) -> str:
        raise ConnectionError("no route")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    with pytest.raises(Refusal, match=r"the hub did not provide it \(ConnectionError\)"):
        load(Path("some-org/some-model"))


def test_quantising_twice_is_refused(llama: Path, tmp_path: Path) -> None:
    path = copied(llama, tmp_path) / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "quantization_config": {"quant_method": "mxfp4"}}))
    with pytest.raises(Refusal, match=r"already quantised \(mxfp4\)"):
        load(tmp_path / "copy")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has the device")
def test_a_device_that_is_not_there_is_refused(llama: Path) -> None:
    with pytest.raises(Refusal, match="sees no CUDA device"):
        load(llama, device="cuda")


def test_dequantised_evaluation_is_bit_equal_to_the_quantised_base(model: Any) -> None:
    assert torch.equal(logits(model._evaluated), logits(model._loaded.model))


@pytest.mark.parametrize(
    ("native", "dtype", "why"),
    [(True, torch.bfloat16, "its range needs no loss scaling"), (False, torch.float16, "the GPU lacks bfloat16")],
)
def test_the_number_format_follows_the_gpu(
    monkeypatch: pytest.MonkeyPatch, native: bool, dtype: torch.dtype, why: str
) -> None:
    # torch counts an emulation as support, unless it is asked not to
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: native or including_emulation)
    chosen, reason = choose_dtype(model_settings("m"), "cuda")
    assert (chosen, why in reason) == (dtype, True)
    assert choose_dtype(model_settings("m"), "cpu")[0] is torch.float32
