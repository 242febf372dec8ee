"""Claims about the profiles: each is what its name says, and runs to its end on a random model of its architecture."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gates.settings import Experiment
from runner.config import compose_experiment
from tests.runs import DEADLINE_S, events, kill_group, only_run, pulse, results_of, runner, start, wait_until
from training.backends.targets import select_targets
from training.schedule import with_steps

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
LINEAR = (*ATTENTION, "gate_proj", "up_proj", "down_proj")
# what README tells to type, less the sizes that make it quick
REHEARSED = {
    "cpu_small": ("model=tiny_random_qwen2",),
    "rtx3090_gpt_oss_20b": ("model=tiny_random_gpt_oss", "backend=transformers_peft"),
    "cuda_mistral_7b": ("model=tiny_random_mistral",),
    "mac_qwen_4b": ("model=tiny_random_qwen3", "backend=transformers_peft", "gate/c=qlora"),
    "h200": ("model=tiny_random_gpt_oss",),
}
QUICK = ("size=smoke", "sampling.max_new_tokens=8", "verifier=recorder")


def composed(*overrides: str) -> Experiment:
    return compose_experiment(list(overrides))[0]


def test_the_3090_profile_is_what_was_asked() -> None:
    found = composed("profile=rtx3090_gpt_oss_20b")
    lora, train, sampling = found.gate.c.lora, found.gate.c.train, found.sampling
    assert (found.backend.name, found.model.quantization, found.seed, train.seed) == ("unsloth", "nf4", 3407, 3407)
    assert (lora.r, lora.alpha, lora.dropout, lora.target_modules) == (8, 16, 0.1, ATTENTION)
    assert lora.layers == (19, 20, 21, 22, 23)
    assert (train.learning_rate, train.batch_size, train.grad_accum) == (5e-5, 2, 8)
    assert (found.rule.k, sampling.temperature, sampling.top_p, sampling.max_new_tokens) == (5, 0.2, 0.9, 300)
    assert found.gate.d.scales == (0.25, 0.5, 1.0)


def test_the_mistral_profile_is_what_was_asked() -> None:
    found = composed("profile=cuda_mistral_7b")
    lora, train = found.gate.c.lora, found.gate.c.train
    assert (found.backend.name, found.model.dtype, found.model.quantization) == ("transformers_peft", "bfloat16", "nf4")
    assert found.model.double_quantization
    assert (lora.r, lora.alpha, lora.dropout, lora.target_modules, lora.layers) == (64, 128, 0.05, LINEAR, ())
    assert (train.max_steps, train.epochs, train.batch_size, train.grad_accum) == (0, 2, 1, 8)
    assert (train.learning_rate, train.max_length) == (1.5e-4, 8192)


def test_the_mac_profile_is_what_was_asked() -> None:
    found = composed("profile=mac_qwen_4b")
    assert (found.backend.name, found.model.quantization) == ("mlx", "q4")
    assert (found.gate.c.lora.r, found.gate.c.lora.target_modules) == (32, LINEAR)


@pytest.mark.parametrize(
    ("profile", "sizes", "layers"),
    [
        # hidden, query, key/value and MLP widths of the released configurations, in float32
        ("rtx3090_gpt_oss_20b", (2880, 4096, 512, None), 5),
        ("h200", (2880, 4096, 512, None), 24),
        ("cuda_mistral_7b", (4096, 4096, 1024, 14336), 32),
        ("mac_qwen_4b", (2560, 4096, 1024, 9728), 36),
    ],
)
def test_an_adapter_of_the_real_size_is_within_its_profile_s_limit(
    profile: str, sizes: tuple[int, int, int, int | None], layers: int
) -> None:
    found = composed(f"profile={profile}")
    hidden, query, value, wide = sizes
    ends = {"q_proj": hidden + query, "k_proj": hidden + value, "v_proj": hidden + value, "o_proj": query + hidden}
    ends |= {name: hidden + wide for name in LINEAR[4:] if wide}
    elements = layers * found.gate.c.lora.r * sum(ends[name] for name in found.gate.c.lora.target_modules)
    limit = found.gate.c.train.max_adapter_mb
    assert 0.3 * limit < 4 * elements / 1e6 < limit


@pytest.mark.parametrize("profile", sorted(REHEARSED))
def test_a_profile_s_steps_leave_checkpoints_and_its_layers_are_there(profile: str) -> None:
    found = composed(f"profile={profile}", *REHEARSED[profile])
    train = with_steps(found.gate.c.train, found.dataset.rows)
    assert train.max_steps >= 2 * train.checkpoint_every
    assert composed(f"profile={profile}", *REHEARSED[profile], *QUICK).gate.c.train.max_steps == 6
    count = 24 if "gpt_oss" in "".join(REHEARSED[profile]) else 36
    linear = [f"model.layers.{layer}.{name}" for layer in range(count) for name in LINEAR]
    assert select_targets(linear, found.gate.c.lora)


def test_smoke_is_the_tiny_profile_at_the_smoke_size() -> None:
    smoke, sized = composed("profile=smoke"), composed("size=smoke")
    assert smoke == sized.model_copy(update={"profile": "smoke"})


# --- to the end


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rehearse("rtx3090_gpt_oss_20b", tmp_path_factory.mktemp("undisturbed"))


def rehearse(profile: str, results: Path) -> Path:
    done = runner("advance", f"profile={profile}", *REHEARSED[profile], *QUICK, results=results)
    assert done.returncode in (0, 3), done.stdout + done.stderr
    return only_run(results)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("profile", ["cuda_mistral_7b", "mac_qwen_4b"])
def test_a_profile_runs_to_a_decision_on_a_random_model_of_its_architecture(profile: str, tmp_path: Path) -> None:
    run = rehearse(profile, tmp_path)
    reports = {gate: json.loads((run / f"gate_{gate}" / "report.json").read_text()) for gate in "abcde"}
    assert len({reports[gate]["tables"]["base"]["digest"] for gate in "abcde"}) == 1
    patterns = reports["c"]["tables"]["training"]["trainable_patterns"]
    assert len(patterns) == 14
    assert all("layers.[0-3]." in pattern for pattern in patterns)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_gpt_oss_killed_in_training_and_in_the_sweep_ends_as_if_undisturbed(undisturbed: Path, tmp_path: Path) -> None:
    arguments = ("advance", "profile=rtx3090_gpt_oss_20b", *REHEARSED["rtx3090_gpt_oss_20b"], *QUICK)
    process = start(*arguments, results=tmp_path)
    wait_until(lambda: any(tmp_path.glob("*/run.json")), "a run folder", process)
    run = only_run(tmp_path)
    for gate, done in (("c", 4), ("d", 60)):
        wait_until(lambda: pulse(run).get("gate") == gate and pulse(run).get("done", 0) >= done, gate, process)  # noqa: B023
        kill_group(process)
        process = start("advance", results=tmp_path)
    assert process.wait(DEADLINE_S) in (0, 3)
    assert [event["type"] for event in events(run)].count("gate_started") >= 5
    assert results_of(run) == results_of(undisturbed)
