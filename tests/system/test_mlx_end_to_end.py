"""Runs through all gates with mlx on a CPU, on random models of the architectures that users name, killed and resumed."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.faults.order import Point
from tests.support.holding import advance_until
from tests.support.mlx_models import needs_mlx
from tests.support.runs import events, only_run, results_of, start

pytestmark = [
    *needs_mlx,
    pytest.mark.slow,
    pytest.mark.xdist_group("mlx end to end"),
    pytest.mark.timeout(900),
]

MLX = (
    "profile=smoke",
    "backend=mlx",
    "model.quantization=q4",
    "model.processes=1",
    "gate.c.lora.dropout=0.1",
    "gate.d.scales=[1.0]",
)
MAC = ("profile=mac_qwen_4b", "size=smoke", "verifier=recorder", "sampling.samples_per_call=10")
SMALL = ("dataset.dev_tasks=6", "dataset.test_tasks=3", "sampling.max_new_tokens=4")
# Half a minute on an idle machine; mlx on a busy one takes much longer.
DEADLINE_S = 800.0


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


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return the folder of an undisturbed run on the random model of a name."""

    @cache
    def run(name: str) -> Path:
        return advanced(
            tmp_path_factory.mktemp(name), *MLX, *SMALL, "model=tiny_random", f"model.path=tiny_random:{name}"
        )

    return run


def trained_modules(folder: Path) -> list[str]:
    """Return the last names of the modules that trained."""
    report = json.loads((folder / "gate_c" / "report.json").read_text(encoding="utf-8"))
    patterns = report["results"]["training"]["trainable_patterns"]
    return sorted({pattern.split(".lora_")[0].split(".")[-1] for pattern in patterns})


# qwen3 goes through them below, with the profile that is for it
@pytest.mark.parametrize("name", ["gpt_oss", "mistral"])
def test_a_random_model_goes_through_all_gates(name: str, finished: Callable[[str], Path]) -> None:
    assert trained_modules(finished(name)) == ["k_proj", "o_proj", "q_proj", "v_proj"]


def test_a_run_killed_in_training_ends_with_the_numbers_of_an_undisturbed_one(
    tmp_path: Path, finished: Callable[[str], Path]
) -> None:
    # the step after the first checkpoint is made, and not yet noted
    step_4 = Point("worker", "write", "gate_c/metrics.jsonl", 4)
    advance_until(step_4, *MLX, *SMALL, "model=tiny_random", "model.path=tiny_random:mistral", results=tmp_path).kill()
    folder = advanced(tmp_path)
    steps = [json.loads(line) for line in (folder / "gate_c" / "metrics.jsonl").read_text().splitlines()]
    assert [(row["session"], row["step"]) for row in steps] == [(1, 1), (1, 2), (1, 3), (2, 4), (2, 5), (2, 6)]
    assert results_of(folder) == results_of(finished("mistral"))


def test_the_mac_profile_runs_to_a_decision_on_its_own_backend(tmp_path: Path) -> None:
    folder = advanced(tmp_path, *MAC, *SMALL, "model=tiny_random", "model.path=tiny_random:qwen3")
    decision = json.loads((folder / "gate_e" / "decision.json").read_text(encoding="utf-8"))["decision"]
    assert decision["verdict"] in ("PROCEED", "ADJUST", "INCONCLUSIVE")
    assert trained_modules(folder) == ["down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj"]
