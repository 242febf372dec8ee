"""Claims about checkpoints: complete or quarantined, and a killed run ends with an undisturbed run's bytes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiny_random import make_model

from env.refusal import Refusal
from training.checkpoints import (
    ADAPTER_WEIGHTS,
    MANIFEST,
    list_checkpoints,
    quarantine,
    read_checkpoint,
    save_checkpoint,
    step_name,
)
from training.records import AdapterCheckpoint

FACTS = {"loss": 0.5, "base": "b" * 64, "lora": {"r": 4}, "train": {"seed": 0}, "examples": "e" * 64}
TESTS = Path(__file__).resolve().parent


def save(folder: Path, step: int, weights: bytes = b"weights") -> AdapterCheckpoint:
    def write(target: Path) -> None:
        (target / "adapter_config.json").write_text("{}")
        (target / ADAPTER_WEIGHTS).write_bytes(weights)

    return save_checkpoint(folder, step, write, FACTS, scheduled=True)


def test_what_was_saved_is_listed_by_step(tmp_path: Path) -> None:
    saved = [save(tmp_path, step, b"%d" % step) for step in (200, 100, 1_000_000)]
    scan = list_checkpoints(tmp_path)
    assert list(scan.verified) == sorted(saved, key=lambda one: one.step)
    assert scan.rejected == ()
    assert [one.folder.name for one in scan.verified] == ["step-000100", "step-000200", "step-1000000"]


def test_the_digest_names_the_adapter_and_not_its_folder(tmp_path: Path) -> None:
    first, same, other = save(tmp_path / "a", 1), save(tmp_path / "b", 2), save(tmp_path / "a", 3, b"other")
    assert first.digest == same.digest != other.digest


@pytest.mark.parametrize("name", ["adapter_config.json", ADAPTER_WEIGHTS, MANIFEST])
@pytest.mark.parametrize("damage", ["missing", "empty", "one bit"])
def test_a_damaged_file_makes_it_no_checkpoint(tmp_path: Path, name: str, damage: str) -> None:
    save(tmp_path, 100)
    path = save(tmp_path, 200).folder / name
    if damage == "missing":
        path.unlink()
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        content = path.read_bytes()
        path.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    scan = list_checkpoints(tmp_path)
    assert [one.step for one in scan.verified] == [100]
    assert [one.folder.name for one in scan.rejected] == ["step-000200"]


def test_a_renamed_checkpoint_is_not_taken_for_another_step(tmp_path: Path) -> None:
    save(tmp_path, 100).folder.rename(tmp_path / step_name(300))
    with pytest.raises(Refusal, match="is of step 100"):
        read_checkpoint(tmp_path / step_name(300))


def test_a_manifest_of_another_schema_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path, 100).folder / MANIFEST
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema_version": 2}))
    with pytest.raises(Refusal, match="is of schema 2"):
        read_checkpoint(path.parent)


def test_a_save_that_fails_leaves_no_checkpoint(tmp_path: Path) -> None:
    def fail(target: Path) -> None:
        (target / ADAPTER_WEIGHTS).write_bytes(b"half")
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        save_checkpoint(tmp_path, 100, fail, FACTS, scheduled=True)
    assert list_checkpoints(tmp_path).verified == ()


def test_quarantine_moves_half_and_damaged_ones_with_a_reason(tmp_path: Path) -> None:
    good, bad = save(tmp_path, 100), save(tmp_path, 200)
    (bad.folder / ADAPTER_WEIGHTS).write_bytes(b"rot")
    (tmp_path / ".step-000300.77.partial").mkdir()
    moved = quarantine(tmp_path)
    assert len(moved) == 2
    assert list_checkpoints(tmp_path) == type(list_checkpoints(tmp_path))((good,), ())
    prison = tmp_path / "quarantine"
    assert sorted(entry.name for entry in prison.iterdir() if entry.is_dir()) == [
        "step-000200", "step-000300.77.partial",
    ]
    assert "SHA-256 differs" in (prison / "step-000200.reason.txt").read_text()
    assert quarantine(tmp_path) == ()


def test_quarantine_keeps_an_earlier_prisoner_of_the_same_name(tmp_path: Path) -> None:
    for _ in range(2):
        (save(tmp_path, 200).folder / MANIFEST).unlink()
        quarantine(tmp_path)
    assert (tmp_path / "quarantine/step-000200").is_dir()
    assert (tmp_path / "quarantine/step-000200.2").is_dir()


TRAINING_RUN = """
import sys
from pathlib import Path
from training.backends import load_model
from training.hooks import NoHooks
from training.records import Example, LoraSettings, ModelSettings, TrainSettings

class Told(NoHooks):
    def on_step(self, record):
        print("step", record.step, flush=True)

examples = [Example(f"square of {n}: ", str(n * n), str(n)) for n in range(50)]
settings = TrainSettings(max_steps=12, batch_size=4, learning_rate=1e-2, checkpoint_every=3, grad_accum=2,
                         warmup_steps=2, weight_decay=0.01, seed=7)
lora = LoraSettings(r=4, alpha=8, target_modules=("q_proj", "v_proj"), layers=(-1,), dropout=0.1)
with load_model("transformers_peft", ModelSettings(sys.argv[1], device="cpu")) as model:
    result = model.train(examples, lora, settings, Path(sys.argv[2]), Told())
print(result.status, result.step, result.resumed_from)
"""


def start_training(model: Path, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", TRAINING_RUN, str(model), str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(TESTS.parent)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def kill_after_step(process: subprocess.Popen[str], step: int) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line == f"step {step}\n":
            process.send_signal(signal.SIGKILL)
            break
    assert process.wait() == -signal.SIGKILL


def adapters(folder: Path) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in folder.glob(f"step-*/{ADAPTER_WEIGHTS}")}


def test_a_killed_and_resumed_run_ends_with_the_same_bytes(tmp_path: Path) -> None:
    model = make_model(tmp_path / "model")
    disturbed = start_training(model, tmp_path / "disturbed")
    undisturbed = start_training(model, tmp_path / "undisturbed")
    kill_after_step(disturbed, 8)
    assert "step-000012" not in adapters(tmp_path / "disturbed")
    # what a power cut in the middle of a later save would leave
    (tmp_path / "disturbed/.step-000009.1.partial").mkdir()
    resumed = start_training(model, tmp_path / "disturbed")
    output, _ = resumed.communicate(timeout=120)
    assert output.splitlines()[-1] == "finished 12 6"
    assert undisturbed.communicate(timeout=120)[0].splitlines()[-1] == "finished 12 0"
    assert adapters(tmp_path / "disturbed") == adapters(tmp_path / "undisturbed")
    assert len(adapters(tmp_path / "disturbed")) == 4

    started = time.monotonic()
    again, _ = start_training(model, tmp_path / "disturbed").communicate(timeout=120)
    assert again == "finished 12 12\n"
    assert time.monotonic() - started < 60
