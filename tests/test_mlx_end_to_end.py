"""Runs through all gates with mlx on a CPU, on random models of the architectures that users name, killed and resumed."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.runs import events, kill_group, only_run, pulse, results_of, runner, start, wait_until

pytestmark = [
    pytest.mark.mlx,
    pytest.mark.slow,
    pytest.mark.xdist_group("runs"),
    pytest.mark.timeout(900),
    pytest.mark.skipif(find_spec("mlx_lm") is None, reason="mlx-lm is not installed: pip install 'luagate[mlx]'"),
]

MLX = ("profile=smoke", "backend=mlx", "gate/c=qlora_mlx", "model.processes=1")
# Half a minute on an idle machine; mlx on a busy one takes much longer.
DEADLINE_S = 800.0
SMALL = ("dataset.dev_tasks=6", "dataset.test_tasks=6", "sampling.max_new_tokens=12")


def advanced(results: Path, *overrides: str) -> Path:
    """Return the folder of a run that went through all gates; random models are not expected to get better."""
    process = start("advance", *overrides, results=results)
    output = process.communicate(timeout=DEADLINE_S)[0]
    assert process.returncode in (0, 3), output
    folder = only_run(results)
    passed = [event["gate"] for event in events(folder) if event["type"] == "gate_passed"]
    assert passed[:4] == ["a", "b", "c", "d"]
    assert (folder / "gate_e" / "report.json").is_file()
    return folder


@pytest.mark.parametrize("name", ["qwen3", "gpt_oss"])
def test_a_random_model_goes_through_all_gates(name: str, tmp_path: Path) -> None:
    advanced(tmp_path, *MLX, *SMALL, f"model=tiny_random_{name}")


def test_a_run_killed_in_training_ends_with_the_numbers_of_an_undisturbed_one(tmp_path: Path) -> None:
    chosen = (*MLX, *SMALL, "model=tiny_random_mistral", "gate.c.lora.dropout=0.1")
    undisturbed = advanced(tmp_path / "undisturbed", *chosen)
    runner("new", *chosen, results=tmp_path / "killed", check=True)
    folder = only_run(tmp_path / "killed")
    process = start("advance", results=tmp_path / "killed")

    def is_past_a_checkpoint() -> bool:
        beat = pulse(folder)
        return beat.get("gate") == "c" and beat.get("phase") == "training" and beat.get("done", -1) >= 4

    wait_until(is_past_a_checkpoint, "gate C: step 4", process)
    kill_group(process)
    assert results_of(advanced(tmp_path / "killed")) == results_of(undisturbed)
