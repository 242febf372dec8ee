"""Settings of an adapter that are far off for the size of its model are warned about, and nothing else is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gates.a_environment.adapter_fit import adapter_checks
from gates.a_environment.model_files import model_checks
from runner.runs.config import compose_experiment
from tests.support.settings import lora_settings, train_settings

LORA = lora_settings(r=8, alpha=16, target_modules=("q_proj",))
TRAIN = train_settings(max_steps=10, batch_size=4, learning_rate=2e-4, checkpoint_every=5)


def misses(layers: int, parameters: float, learning: tuple[int, ...] = (), rate: float = 2e-4) -> list[str]:
    checks = adapter_checks(layers, int(parameters), replace(LORA, layers=learning), replace(TRAIN, learning_rate=rate))
    assert all(check.level == "warn" for check in checks)
    return [check.name for check in checks if not check.ok]


@pytest.mark.parametrize(
    ("layers", "parameters", "learning", "rate", "expected"),
    [
        # a small real model with the settings of the embedded one, as `model=local` alone has them
        (30, 135e6, (-2, -1), 5e-3, ["adapted layers", "learning rate"]),
        (30, 135e6, (), 2e-4, []),
        (30, 135e6, (), 8e-4, []),
        (4, 2e6, (-2, -1), 5e-3, []),
        (32, 7.2e9, (), 5e-3, ["learning rate"]),
        (32, 7.2e9, (), 1e-6, ["learning rate"]),
        (24, 20.9e9, (19, 20, 21, 22, 23), 5e-5, []),
        (11, 500e6, (-1,), 2e-4, []),
    ],
)
def test_what_is_far_off_for_the_size_is_warned_about(
    layers: int, parameters: float, learning: tuple[int, ...], rate: float, expected: list[str]
) -> None:
    assert misses(layers, parameters, learning, rate) == expected


@pytest.mark.parametrize(
    ("profile", "layers", "parameters"),
    [
        ("local", 30, 135e6),
        ("local", 28, 3.1e9),
        ("cpu_small", 24, 494e6),
        ("cuda_mistral_7b", 32, 7.2e9),
        ("rtx3090_gpt_oss_20b", 24, 20.9e9),
        ("h200", 24, 20.9e9),
        ("mac_qwen_4b", 36, 4e9),
        ("tiny", 4, 2e6),
    ],
)
def test_every_profile_suits_the_model_it_is_for(profile: str, layers: int, parameters: float) -> None:
    path = ["model.path=any/model"] if profile == "local" else []
    config = compose_experiment([f"profile={profile}", *path])[0].gate.c
    found = adapter_checks(layers, int(parameters), config.lora, config.train)
    assert [check.name for check in found if not check.ok] == []


@pytest.mark.heavy
def test_the_check_reads_the_model_s_own_files_and_names_the_way_out() -> None:
    asked = compose_experiment(["profile=smoke", "model=tiny_random", "model.path=tiny_random:qwen2"])[0]
    checks = {check.name: check for check in model_checks(asked, Path("results"))}
    few = checks["adapted layers"]
    assert (few.ok, few.value.startswith("2 of 24 layers learn")) == (False, True)
    assert "gate.c.lora.layers=[]" in few.fix
    assert "profile=local" in few.fix
    assert checks["learning rate"].ok
