"""Every backend: an adapter applied at a scale moves the model, leaves the base exactly, and a wrong one is refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from env.refusal import Refusal
from tests.support.mlx_models import made
from tests.support.model_work import EXAMPLES, LORA, REQUESTS, SAMPLING, TRAIN, trained
from training.backends import Backend
from training.checkpoints import ADAPTER_CONFIG, ADAPTER_WEIGHTS, MANIFEST

PROMPT, ANSWER = EXAMPLES[7].prompt, EXAMPLES[7].answer


def score(model: Any) -> float:
    """What every logit of the model shows in."""
    value: float = model.log_prob(PROMPT, ANSWER)
    return value


@pytest.mark.parametrize("held", ["model", "packed"])
@pytest.mark.parametrize("kind", [{}, {"rslora": True}])
def test_an_adapter_moves_the_model_by_its_scale_and_leaves_the_base_exactly(
    backend: Backend, held: str, kind: dict[str, bool], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    found = request.getfixturevalue(held)
    base, written = score(found), found.generate(REQUESTS, SAMPLING)
    folder = trained(found, tmp_path, **kind)
    assert score(found) == base
    with found.adapter(folder, 0.0):
        assert score(found) == base
    with found.adapter(folder, 0.5):
        half = score(found)
    with found.adapter(folder, 1.0):
        whole = score(found)
        assert found.generate(REQUESTS, SAMPLING) != written
    assert base < half < whole
    assert score(found) == base
    assert found.generate(REQUESTS, SAMPLING) == written


def test_the_base_is_restored_after_an_error(model: Any, adapter: Path) -> None:
    base = score(model)
    with pytest.raises(KeyError), model.adapter(adapter, 0.5):
        raise KeyError("anything")
    assert score(model) == base
    with model.adapter(adapter, 1.0):
        assert score(model) != base


def test_an_adapter_s_scale_is_a_multiple_of_its_b(model: Any, adapter: Path, tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    scaled = shutil.copytree(adapter, tmp_path / "scaled", ignore=shutil.ignore_patterns(MANIFEST))
    tensors = load_file(scaled / ADAPTER_WEIGHTS)
    doubled = {name: value * 2 if "lora_B" in name else value for name, value in tensors.items()}
    save_file(doubled, scaled / ADAPTER_WEIGHTS)
    with model.adapter(adapter, 0.5):
        ours = score(model)
    with model.adapter(scaled, 0.25):
        assert score(model) == pytest.approx(ours, abs=1e-4)


def test_two_adapters_at_once_and_training_under_one_are_errors(model: Any, adapter: Path) -> None:
    with model.adapter(adapter, 1.0):
        with pytest.raises(RuntimeError, match="already applied"), model.adapter(adapter, 1.0):
            pass
        with pytest.raises(RuntimeError, match="while an adapter is applied"):
            model.probe_step(EXAMPLES, LORA, TRAIN)


def test_an_adapter_of_another_base_is_refused(packed: Any, adapter: Path) -> None:
    with pytest.raises(Refusal, match="another base model"), packed.adapter(adapter, 1.0):
        pass


def test_an_adapter_of_another_shape_is_refused_without_a_manifest(load: Any, adapter: Path, tmp_path: Path) -> None:
    bare = shutil.copytree(adapter, tmp_path / "bare", ignore=shutil.ignore_patterns(MANIFEST))
    other = load(made(tmp_path / "wide", intermediate_size=192))
    with pytest.raises(Refusal, match=r"is \(\d+, \d+\) in the adapter"), other.adapter(bare, 1.0):
        pass
    (bare / ADAPTER_WEIGHTS).write_bytes(b"x")
    with pytest.raises(Refusal, match="damaged"), other.adapter(bare, 1.0):
        pass


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda folder: (folder / ADAPTER_WEIGHTS).unlink(), "not an adapter folder"),
        (lambda folder: (folder / ADAPTER_WEIGHTS).write_bytes(b"x"), "SHA-256 differs"),
        (lambda folder: (folder / ADAPTER_CONFIG).write_text("{}"), "SHA-256 differs"),
    ],
)
def test_a_damaged_adapter_is_refused(
    model: Any, adapter: Path, tmp_path: Path, damage: Callable[[Path], Any], says: str
) -> None:
    copy = Path(shutil.copytree(adapter, tmp_path / adapter.name))
    damage(copy)
    with pytest.raises(Refusal, match=says), model.adapter(copy, 1.0):
        pass
