"""Claims about checkpoints: complete or quarantined, and a killed run ends with an undisturbed run's bytes."""

from __future__ import annotations

import errno
import itertools
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from env.refusal import Refusal
from env.space import DiskFull
from tests.support.settings import lora_settings, model_settings, train_settings
from tests.support.tiny_random import make_model
from training.checkpoints import (
    ADAPTER_WEIGHTS,
    MANIFEST,
    list_checkpoints,
    quarantine,
    read_checkpoint,
    save_checkpoint,
    step_name,
)
from training.hooks import NoHooks, TrainHooks
from training.models import load_model
from training.records import (
    AdapterCheckpoint,
    Example,
    StepRecord,
    TrainResult,
)

FACTS = {"loss": 0.5, "base": "b" * 64, "lora": {"r": 4}, "train": {"seed": 0}, "examples": "e" * 64}
PROJECT = str(Path(__file__).resolve().parents[2])


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
    with pytest.raises(Refusal, match="is for step 100"):
        read_checkpoint(tmp_path / step_name(300))


def test_a_manifest_of_another_schema_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path, 100).folder / MANIFEST
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema_version": 2}))
    with pytest.raises(Refusal, match="has schema 2"):
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
        "step-000200",
        "step-000300.77.partial",
    ]
    assert "SHA-256 differs" in (prison / "step-000200.reason.txt").read_text()
    assert quarantine(tmp_path) == ()


def test_quarantine_keeps_an_earlier_prisoner_of_the_same_name(tmp_path: Path) -> None:
    for _ in range(2):
        (save(tmp_path, 200).folder / MANIFEST).unlink()
        quarantine(tmp_path)
    assert (tmp_path / "quarantine/step-000200").is_dir()
    assert (tmp_path / "quarantine/step-000200.2").is_dir()


class Told(NoHooks):
    """Tells each step on stdout, for the test that kills this process after one."""

    def on_step(self, record: StepRecord) -> None:
        print("step", record.step, flush=True)


def train(model: Path, folder: Path, hooks: TrainHooks) -> TrainResult:
    examples = [Example(f"square of {n}: ", str(n * n), str(n)) for n in range(50)]
    settings = train_settings(
        max_steps=12,
        batch_size=4,
        learning_rate=1e-2,
        checkpoint_every=3,
        grad_accum=2,
        warmup_steps=2,
        weight_decay=0.01,
        seed=7,
    )
    lora = lora_settings(r=4, alpha=8, target_modules=("q_proj", "v_proj"), layers=(-1,), dropout=0.1)
    with load_model("transformers_peft", model_settings(str(model), device="cpu", threads=1)) as loaded:
        return loaded.train(examples, lora, settings, folder, hooks)


def train_elsewhere(model: Path, folder: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, __file__, str(model), str(folder), *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": PROJECT})


def die_in_backward(number: int) -> None:
    """Have this process killed in its ``number``-th backward pass, gradients of the step half accumulated."""
    import torch

    real, passes = torch.Tensor.backward, itertools.count(1)

    def backward(tensor: torch.Tensor, *arguments: Any, **keywords: Any) -> None:
        real(tensor, *arguments, **keywords)
        if next(passes) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    torch.Tensor.backward = backward  # type: ignore[method-assign]


def train_and_die_after(step: int, model: Path, folder: Path) -> None:
    """Train in another process and kill it as soon as it has told ``step``."""
    process = train_elsewhere(model, folder)
    assert process.stdout is not None
    for line in process.stdout:
        if line == f"step {step}\n":
            process.send_signal(signal.SIGKILL)
            break
    assert process.wait() == -signal.SIGKILL


def adapters(folder: Path) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in folder.glob(f"step-*/{ADAPTER_WEIGHTS}")}


def files(folder: Path, pattern: str = "*") -> dict[str, bytes]:
    """Return what steps leave: weights, the optimizer's moments, configuration, manifest."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.glob(f"step-*/{pattern}")}


def test_a_killed_and_resumed_run_ends_with_the_same_bytes(tmp_path: Path) -> None:
    model = make_model(tmp_path / "model")
    train_and_die_after(8, model, tmp_path / "killed")
    assert max(adapters(tmp_path / "killed")) == "step-000006"
    # what a kill in the middle of the next save would leave
    (tmp_path / "killed/.step-000009.1.partial").mkdir()
    resumed = train(model, tmp_path / "killed", NoHooks())
    undisturbed = train(model, tmp_path / "undisturbed", NoHooks())
    assert (resumed.status, resumed.step, resumed.resumed_from) == ("finished", 12, 6)
    assert resumed.quarantined == (".step-000009.1.partial: its save was interrupted before it was complete",)
    assert files(tmp_path / "killed") == files(tmp_path / "undisturbed")
    assert [one.digest for one in resumed.checkpoints] == [one.digest for one in undisturbed.checkpoints]
    assert len(resumed.checkpoints) == 4


# Two batches a step, a checkpoint every three steps: in the first batch of step 8, in the last of step 9.
@pytest.mark.parametrize("backward_pass", [15, 18])
def test_killed_while_gradients_accumulate_it_ends_with_the_same_weights_and_moments(
    tmp_path: Path, trained: dict[str, bytes], backward_pass: int
) -> None:
    model = make_model(tmp_path / "model")
    process = train_elsewhere(model, tmp_path / "killed", str(backward_pass))
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    resumed = train(model, tmp_path / "killed", NoHooks())
    assert resumed.resumed_from == (backward_pass - 1) // 2 // 3 * 3
    assert files(tmp_path / "killed", "*.safetensors") == trained


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What undisturbed training leaves."""
    folder = tmp_path_factory.mktemp("undisturbed")
    train(make_model(folder / "model"), folder / "trained", NoHooks())
    return files(folder / "trained", "*.safetensors")


def test_a_full_disk_names_the_checkpoint_and_what_it_takes_and_leaves_no_half_one(tmp_path: Path) -> None:
    last = save(tmp_path, 100, b"w" * 500_000)

    def fail(target: Path) -> None:
        (target / ADAPTER_WEIGHTS).write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(DiskFull, match=r"step-000200: no space left .* free, 0\.5 MB needed for this checkpoint"):
        save_checkpoint(tmp_path, 200, fail, FACTS, scheduled=True)
    assert list_checkpoints(tmp_path).verified == (last,)
    assert [entry.name for entry in tmp_path.iterdir()] == ["step-000100"]


def test_nothing_counts_as_a_checkpoint_before_all_of_it_is_flushed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    fsync, rename = os.fsync, os.rename

    def recorded_fsync(descriptor: int) -> None:
        order.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        fsync(descriptor)

    def recorded_rename(source: Path, target: Path) -> None:
        order.append(f"rename {Path(target).name}")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(os, "rename", recorded_rename)
    save(tmp_path / "checkpoints", 100)
    renamed = order.index("rename step-000100")
    flushed = {re.sub(r"\.\d+(-\d+)?\.(tmp|partial)$", "", name).lstrip(".") for name in order[:renamed]}
    assert {"adapter_config.json", ADAPTER_WEIGHTS, MANIFEST, "step-000100"} <= flushed
    assert order[renamed + 1] == "checkpoints"


if __name__ == "__main__":
    if sys.argv[3:]:
        die_in_backward(int(sys.argv[3]))
    train(Path(sys.argv[1]), Path(sys.argv[2]), Told())
