"""An adapter applied at a scale computes what PEFT computes and leaves the base bit for bit; a wrong one is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from env.refusal import Refusal
from tests.support.model_work import load, logits, trained


@pytest.mark.parametrize(
    ("evaluation", "kind", "scales"),
    [
        ("dequantized", {}, (1.0, 0.5)),
        ("dequantized", {"rslora": True}, (1.0, 0.5)),
        ("dequantized", {"dora": True}, (1.0,)),
        ("quantized", {}, (1.0, 0.5)),
        ("quantized", {"rslora": True}, (1.0, 0.5)),
    ],
)
def test_an_adapter_computes_what_peft_computes(
    llama: Path, evaluation: str, kind: dict[str, bool], scales: tuple[float, ...], tmp_path: Path
) -> None:
    from peft import PeftModel
    from peft.helpers import rescale_adapter_scale

    model = load(llama, evaluation=evaluation)
    adapter = trained(model, tmp_path, **kind)
    for scale in scales:
        with model.adapter(adapter, scale):
            ours = logits(model._evaluated)
        theirs = PeftModel.from_pretrained(model._loaded.model, adapter).eval()
        with rescale_adapter_scale(theirs, scale):
            expected = logits(theirs)
        theirs.unload()
        assert torch.allclose(ours, expected, atol=2e-4)
        assert not torch.allclose(logits(model._evaluated), expected, atol=1e-2)


def test_dora_over_a_quantised_evaluation_is_refused(llama: Path, tmp_path: Path) -> None:
    model = load(llama, evaluation="quantized")
    with pytest.raises(Refusal, match="DoRA"), model.adapter(trained(model, tmp_path, dora=True), 1.0):
        pass
