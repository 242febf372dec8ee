"""Claims about the profiles: each is what its name says, and runs to its end on a random model of its architecture."""

from __future__ import annotations

import json
import math
import re
import struct
from dataclasses import dataclass
from pathlib import Path

import pytest

from gates.settings import Experiment
from runner.runs.config import compose_experiment
from runner.runs.locations import CONF
from tests.faults.order import Point
from tests.support.holding import advance_until
from tests.support.runs import events, only_run, results_of, runner
from training.backends.local.targets import select_targets
from training.needs.memory import estimate
from training.schedule import with_steps

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
LINEAR = (*ATTENTION, "gate_proj", "up_proj", "down_proj")
# what README tells to type, less the sizes that make it quick
REHEARSED = {
    "cpu_small": (
        "model=tiny_random",
        "model.path=tiny_random:qwen2",
    ),
    "rtx3090_gpt_oss_20b": ("model=tiny_random", "model.path=tiny_random:gpt_oss", "backend=transformers_peft"),
    "cuda_mistral_7b": (
        "model=tiny_random",
        "model.path=tiny_random:mistral",
    ),
    "mac_qwen_4b": (
        "model=tiny_random",
        "model.path=tiny_random:qwen3",
        "backend=transformers_peft",
        "model.quantization=nf4",
    ),
    "h200": ("model=tiny_random", "model.path=tiny_random:gpt_oss", "model.quantization=none"),
}
QUICK = (
    *("size=smoke", "dataset.dev_tasks=6", "dataset.test_tasks=3", "gate.d.scales=[1.0]", "verifier=recorder"),
    *("sampling.max_new_tokens=4", "sampling.samples_per_call=10"),
)


def composed(*overrides: str) -> Experiment:
    return compose_experiment(list(overrides))[0]


def test_the_3090_profile_is_what_was_requested() -> None:
    found = composed("profile=rtx3090_gpt_oss_20b")
    lora, train, sampling = found.gate.c.lora, found.gate.c.train, found.sampling
    assert (found.backend.name, found.model.quantization, found.seed, train.seed) == ("unsloth", "nf4", 3407, 3407)
    assert (lora.r, lora.alpha, lora.dropout, lora.target_modules) == (8, 16, 0.1, ATTENTION)
    assert lora.layers == (19, 20, 21, 22, 23)
    assert (train.learning_rate, train.batch_size, train.grad_accum) == (5e-5, 2, 8)
    assert (found.rule.k, sampling.temperature, sampling.top_p, sampling.max_new_tokens) == (5, 0.2, 0.9, 512)
    assert found.gate.d.scales == (0.25, 0.5, 1.0)


def test_the_mistral_profile_is_what_was_requested() -> None:
    found = composed("profile=cuda_mistral_7b")
    lora, train = found.gate.c.lora, found.gate.c.train
    assert (found.backend.name, found.model.dtype, found.model.quantization) == ("transformers_peft", "bfloat16", "nf4")
    assert found.model.double_quantization
    assert (lora.r, lora.alpha, lora.dropout, lora.target_modules, lora.layers) == (64, 128, 0.05, LINEAR, ())
    assert (train.max_steps, train.epochs, train.batch_size, train.grad_accum) == (0, 2, 1, 8)
    assert (train.learning_rate, train.max_length) == (1.5e-4, 8192)


def test_the_mac_profile_is_what_was_requested() -> None:
    found = composed("profile=mac_qwen_4b")
    assert (found.backend.name, found.model.quantization) == ("mlx", "q4")
    assert (found.gate.c.lora.r, found.gate.c.lora.target_modules) == (32, LINEAR)


@pytest.mark.parametrize("profile", ["mac_qwen_4b", "cuda_mistral_7b"])
def test_a_roblox_profile_is_its_luanti_twin_but_for_data_verifier_and_prompt(profile: str) -> None:
    twin, found = composed(f"profile={profile}"), composed(f"profile={profile}_roblox")
    assert (found.dataset.name, found.verifier.name) == ("robloxbench", "world")
    assert "Luau" in found.prompt.system
    for part in ("model", "backend", "sampling", "rule", "seed"):
        assert getattr(found, part) == getattr(twin, part), part
    assert found.gate.c == twin.gate.c
    assert "tree-sitter-luau" in found.gate.a.machine.require_packages


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


@dataclass(frozen=True)
class Released:
    """The sizes of a released model, as its configuration has them, and what its profile promises of memory."""

    layers: int
    hidden: int
    heads: tuple[int, int, int]
    wide: int
    vocabulary: int
    memory_gb: int
    experts: int = 0
    packed: bool = False
    on_gpu: bool = True
    has_head: bool = False


RELEASED = {
    "cpu_small": Released(24, 896, (14, 2, 64), 4864, 151936, 3, on_gpu=False),
    "cuda_mistral_7b": Released(32, 4096, (32, 8, 128), 14336, 32768, 16, has_head=True),
    "h200": Released(24, 2880, (64, 8, 64), 2880, 201088, 52, experts=32, has_head=True),
    "mac_qwen_4b": Released(36, 2560, (32, 8, 128), 9728, 151936, 9),
    "rtx3090_gpt_oss_20b": Released(24, 2880, (64, 8, 64), 2880, 201088, 21, experts=32, packed=True, has_head=True),
    "smollm2_135m": Released(30, 576, (9, 3, 64), 1536, 49152, 3, on_gpu=False),
}


def written(kind: Released, folder: Path) -> Path:
    """Write configuration and weight file header of a released model; the estimate reads nothing else."""
    many, few, width = kind.heads
    attention = {"q_proj": (many * width, kind.hidden), "k_proj": (few * width, kind.hidden)}
    attention |= {"v_proj": attention["k_proj"], "o_proj": attention["q_proj"][::-1]}
    dense = {
        "gate_proj": (kind.wide, kind.hidden),
        "up_proj": (kind.wide, kind.hidden),
        "down_proj": (kind.hidden, kind.wide),
    }
    fused = {
        "gate_up_proj": (kind.experts, kind.hidden, 2 * kind.wide),
        "down_proj": (kind.experts, kind.wide, kind.hidden),
    }
    header = {
        "model.embed_tokens.weight": {"dtype": "BF16", "shape": (kind.vocabulary, kind.hidden), "data_offsets": [0, 0]}
    }
    if kind.has_head:
        header["lm_head.weight"] = header["model.embed_tokens.weight"]
    for layer in range(kind.layers):
        prefix = f"model.layers.{layer}"
        parts = {f"{prefix}.self_attn.{name}.weight": shape for name, shape in attention.items()}
        parts |= (
            {f"{prefix}.mlp.experts.{name}": shape for name, shape in fused.items()}
            if kind.experts
            else {f"{prefix}.mlp.{name}.weight": shape for name, shape in dense.items()}
        )
        for name, shape in parts.items():
            is_packed = kind.packed and "experts" in name
            # four bits and a float32 scale for each 64 of them
            size = round(0.5625 * math.prod(shape)) if is_packed else 0
            header[name] = {"dtype": "U8" if is_packed else "BF16", "shape": shape, "data_offsets": [0, size]}
    text = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text)
    sizes = {"num_hidden_layers": kind.layers, "hidden_size": kind.hidden, "num_attention_heads": many}
    sizes |= {"num_key_value_heads": few, "head_dim": width, "vocab_size": kind.vocabulary}
    (folder / "config.json").write_text(json.dumps(sizes))
    return folder


@pytest.mark.parametrize("profile", sorted(RELEASED))
def test_a_profile_promises_the_memory_that_is_estimated_for_its_model(profile: str, tmp_path: Path) -> None:
    kind, found = RELEASED[profile], composed(f"profile={profile}")
    needed = estimate(
        written(kind, tmp_path), found.model, found.gate.c.lora, found.gate.c.train,
        512 + found.sampling.max_new_tokens, on_gpu=kind.on_gpu,
    )  # fmt: skip
    assert 0.85 * kind.memory_gb < needed.total_gb <= kind.memory_gb, needed.lines()
    header = (CONF / "profile" / f"{profile}.yaml").read_text(encoding="utf-8").partition("defaults:")[0]
    assert re.search(rf"\b{kind.memory_gb} GB of (GPU |unified )?memory", header)
    machine = found.gate.a.machine
    asked_gb = machine.min_vram_gb if machine.require_gpu else machine.min_free_ram_gb
    assert asked_gb >= kind.memory_gb


@pytest.mark.parametrize("profile", sorted(REHEARSED))
def test_a_profile_s_steps_leave_checkpoints_and_its_layers_are_there(profile: str) -> None:
    found = composed(f"profile={profile}", *REHEARSED[profile])
    train = with_steps(found.gate.c.train, found.dataset.rows)
    assert train.max_steps >= 2 * train.checkpoint_every
    assert composed(f"profile={profile}", *REHEARSED[profile], *QUICK).gate.c.train.max_steps == 6
    count = 36 if "qwen3" in "".join(REHEARSED[profile]) else 24
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


# profile -> the patterns that train: its modules, each with two matrices, in its layers of the random model
TRAINED = {
    "cpu_small": (8, "model.layers.[16-23]."),
    "cuda_mistral_7b": (14, "model.layers.[0-3]."),
    "mac_qwen_4b": (14, "model.layers.[0-3]."),
    "h200": (8, "model.layers.[0-23]."),
}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("profile", sorted(TRAINED))
def test_a_profile_runs_to_a_decision_on_a_random_model_of_its_architecture(profile: str, tmp_path: Path) -> None:
    run = rehearse(profile, tmp_path)
    reports = {gate: json.loads((run / f"gate_{gate}" / "report.json").read_text()) for gate in "abcde"}
    bases = [reports["a"]["results"]["probe"]["base"], *(reports[gate]["results"]["base"] for gate in "bcde")]
    assert len({base["digest"] for base in bases}) == 1
    patterns = reports["c"]["results"]["training"]["trainable_patterns"]
    count, layers = TRAINED[profile]
    assert len(patterns) == count
    assert all(pattern.startswith(layers) for pattern in patterns)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_gpt_oss_killed_in_training_and_in_the_sweep_ends_as_if_undisturbed(undisturbed: Path, tmp_path: Path) -> None:
    profile = ("profile=rtx3090_gpt_oss_20b", *REHEARSED["rtx3090_gpt_oss_20b"], *QUICK)
    # in the step after the first checkpoint; then with a cell's first samples stored: as many, in the order of the
    # plan, as had their verdict when the first call ended
    in_training = Point("worker", "write", "gate_c/metrics.jsonl", 4)
    samples = "gate_d/cells/step-000003_x1.00/samples.jsonl"
    advance_until(in_training, *profile, results=tmp_path).kill()
    run = only_run(tmp_path)
    advance_until(Point("worker", "write", samples, 2), results=tmp_path).kill()
    stored = (run / samples).read_text().count("\n")
    assert stored > 0
    done = runner("advance", results=tmp_path)
    assert done.returncode in (0, 3), done.stdout + done.stderr
    assert [event["gate"] for event in events(run) if event["type"] == "gate_started"] == [*"abccdde"]
    steps = [json.loads(line) for line in (run / "gate_c" / "metrics.jsonl").read_text().splitlines()]
    assert [(row["session"], row["step"]) for row in steps] == [(1, 1), (1, 2), (1, 3), (2, 4), (2, 5), (2, 6)]
    assert results_of(run) == results_of(undisturbed)
