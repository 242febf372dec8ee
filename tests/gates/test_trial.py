"""Gate E tries the adapter that was trained, and takes of several canaries the worst."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from env.refusal import Refusal
from eval.decision.cells import Cell
from eval.decision.guards import Canary
from gates.e_decision import canary
from gates.e_decision.canary import measure_canary
from gates.measuring.stored import verified_checkpoints
from gates.report.results import TrainingResults
from tests.support.gate_results import training_results
from training.checkpoints import save_checkpoint

# The log-probability of every reference under a checkpoint, and with that checkpoint at scale 0; -1.0 under the base.
WORN = {"step-000040": (-3.0, -1.0), "step-000080": (-1.5, -0.7)}


class Model:
    """A model whose log-probabilities tell which adapter it wears at which scale."""

    def __init__(self) -> None:
        self.nats = -1.0

    def log_prob(self, prompt: str, answer: str) -> float:
        return self.nats

    @contextmanager
    def adapter(self, folder: Path, scale: float) -> Iterator[None]:
        before, self.nats = self.nats, WORN[folder.name][scale == 0.0]
        yield
        self.nats = before


def context(gate_c: Path, trained: TrainingResults | None = None) -> Any:
    return SimpleNamespace(
        run_dir=gate_c.parent,
        gate_folder=lambda gate: gate_c,
        earlier=lambda kind: trained,
        on_progress=lambda progress: None,
        experiment=SimpleNamespace(gate=SimpleNamespace(e=SimpleNamespace(canary_prompts=2))),
    )


def test_of_several_cells_the_worst_canary_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = {"step-000040": Path("step-000040"), "step-000080": Path("step-000080")}
    monkeypatch.setattr(canary, "verified_checkpoints", lambda context: folders)
    tasks = [SimpleNamespace(reference="x")] * 3
    bench: Any = SimpleNamespace(model=Model(), tasks=lambda split: tasks, scored_prompt=lambda task: "p")
    for cells in ([Cell(40, 1.0), Cell(80, 0.5)], [Cell(80, 0.5), Cell(40, 1.0)]):
        found = measure_canary(context(tmp_path), bench, cells)
        assert found == Canary(moved_nats=0.5, zero_moved_nats=pytest.approx(0.3), prompts=2)
    assert measure_canary(context(tmp_path), bench, [Cell(40, 1.0)]) == Canary(2.0, 0.0, 2)


def test_a_checkpoint_of_other_bytes_or_none_is_not_tried(tmp_path: Path) -> None:
    def write(folder: Path) -> None:
        (folder / "adapter_model.safetensors").write_bytes(b"weights")
        (folder / "adapter_config.json").write_text("{}")

    facts = {"loss": 0.5, "base": "b", "lora": {}, "train": {}, "examples": "e"}
    gate_c = tmp_path / "gate_c"
    gate_c.mkdir()
    saved = save_checkpoint(gate_c / "checkpoints", 40, write, facts, scheduled=True)

    def verified(step: int, digest: str) -> dict[str, Path]:
        return verified_checkpoints(context(gate_c, training_results({step: digest})))

    assert verified(40, saved.digest) == {"step-000040": saved.folder}
    with pytest.raises(Refusal, match=r"step 40 .* is not the bytes that were trained"):
        verified(40, "00" * 32)
    with pytest.raises(Refusal, match=r"step 80 .* is missing or damaged"):
        verified(80, saved.digest)
