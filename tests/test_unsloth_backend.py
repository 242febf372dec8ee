"""The unsloth backend, on a CPU: in the environment that `make setup-unsloth` makes (its pins are not the core's)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from env.refusal import Refusal
from eval.sampling import SamplingSettings
from training.backends import check_settings, load_model
from training.checkpoints import ADAPTER_WEIGHTS
from training.records import AdapterCheckpoint, Example, LoraSettings, ModelSettings, StepRecord, TrainSettings
from training.tiny_random.cache import made_folder

PROJECT = Path(__file__).resolve().parent.parent
pytestmark = [
    pytest.mark.unsloth,
    pytest.mark.timeout(900),
    pytest.mark.skipif(find_spec("unsloth") is None, reason="unsloth is not installed here (make setup-unsloth)"),
]

SAMPLING = SamplingSettings(temperature=0.8, top_p=0.95, top_k=0, max_new_tokens=10, stop=())
LORA = LoraSettings(r=4, alpha=8.0, target_modules=("q_proj", "k_proj", "v_proj", "o_proj"), dropout=0.1, layers=(2, 3))
TRAIN = TrainSettings(max_steps=4, batch_size=2, grad_accum=2, learning_rate=0.01, checkpoint_every=2)
EXAMPLES = [Example(f"write node {n}", f'core.register_node("a:b{n}", {{}})', str(n)) for n in range(12)]
PROMPT, ANSWER = "write node 3", 'core.register_node("a:b3", {})'


@dataclass(frozen=True)
class Asked:
    prompt: str
    seeds: tuple[int, ...]


@dataclass
class Hooks:
    """Remembers the steps; asks to stop after ``stop_after`` of them."""

    stop_after: int = 10**9
    steps: list[StepRecord] = field(default_factory=list)

    def on_step(self, record: StepRecord) -> None:
        self.steps.append(record)

    def on_checkpoint(self, checkpoint: AdapterCheckpoint) -> None:
        pass

    def should_stop(self) -> bool:
        return bool(self.steps) and self.steps[-1].step >= self.stop_after


def settings(name: str, quantization: Any = "none") -> ModelSettings:
    return ModelSettings(f"tiny_random:{name}", quantization=quantization, device="cpu", threads=1)


@pytest.fixture(scope="module")
def model() -> Iterator[Any]:
    with load_model("unsloth", settings("mistral", "nf4")) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def checkpoint(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    result = model.train(EXAMPLES, LORA, TRAIN, tmp_path_factory.mktemp("trained"), Hooks())
    folder: Path = result.checkpoints[-1].folder
    return folder


def test_a_sample_does_not_depend_on_what_generates_beside_it(model: Any) -> None:
    asked = [Asked("one", (1, 2, 3)), Asked("a much longer prompt than the first", (4, 5))]
    together = model.generate(asked, SAMPLING)
    alone = [model.generate([Asked(each.prompt, (seed,))], SAMPLING)[0][0] for each in asked for seed in each.seeds]
    assert [completion for group in together for completion in group] == alone
    assert len({completion.text for completion in alone}) > 1


def test_a_stopped_and_resumed_training_ends_with_the_same_bytes(model: Any, checkpoint: Path, tmp_path: Path) -> None:
    stopped = model.train(EXAMPLES, LORA, TRAIN, tmp_path, Hooks(stop_after=3))
    assert (stopped.status, stopped.step) == ("stopped", 3)
    resumed = model.train(EXAMPLES, LORA, TRAIN, tmp_path, Hooks())
    assert (resumed.status, resumed.resumed_from) == ("finished", 3)
    assert (resumed.checkpoints[-1].folder / ADAPTER_WEIGHTS).read_bytes() == (
        checkpoint / ADAPTER_WEIGHTS
    ).read_bytes()


def test_training_moves_the_model_and_only_while_the_adapter_is_worn(model: Any, checkpoint: Path) -> None:
    base = model.log_prob(PROMPT, ANSWER)
    with model.adapter(checkpoint, 0.0):
        assert model.log_prob(PROMPT, ANSWER) == base
    with model.adapter(checkpoint, 0.5):
        half = model.log_prob(PROMPT, ANSWER)
    with model.adapter(checkpoint, 1.0):
        whole = model.log_prob(PROMPT, ANSWER)
    assert base < half < whole
    assert model.log_prob(PROMPT, ANSWER) == base


def test_the_adapter_means_the_same_to_the_plain_backend(model: Any, checkpoint: Path) -> None:
    """unsloth has patched this process, so that the plain library speaks in another one; NF4 there is dequantised."""
    with model.adapter(checkpoint, 1.0):
        here = model.log_prob(PROMPT, ANSWER)
    program = (
        "import json, sys; from pathlib import Path\n"
        "from training.backends import check_settings, load_model; from training.records import ModelSettings\n"
        "path, adapter, prompt, answer = json.loads(sys.argv[1])\n"
        "model = load_model('transformers_peft', ModelSettings(path, quantization='nf4', device='cpu', threads=1))\n"
        "with model.adapter(Path(adapter), 1.0): print(model.log_prob(prompt, answer), model.identity.digest)\n"
    )
    asked = json.dumps([str(made_folder("tiny_random:mistral")), str(checkpoint), PROMPT, ANSWER])
    done = subprocess.run([sys.executable, "-c", program, asked], capture_output=True, text=True, cwd=PROJECT)
    assert done.returncode == 0, done.stderr
    printed = done.stdout.split()
    assert float(printed[0]) == pytest.approx(here, abs=1e-3)
    assert printed[1] == model.identity.digest


def test_only_attention_in_the_asked_layers_of_a_mixture_of_experts_trains(tmp_path: Path) -> None:
    lora = LoraSettings(r=2, alpha=4.0, target_modules=("q_proj", "k_proj", "v_proj", "o_proj"), layers=(19, 23))
    with load_model("unsloth", settings("gpt_oss")) as experts:
        result = experts.train(EXAMPLES, lora, TRAIN, tmp_path, Hooks(stop_after=1))
        assert result.targets == 8
        assert all("self_attn" in name and "layers.[19, 23]" in name for name in result.patterns)
        with pytest.raises(Refusal, match="router"):
            experts.probe_step(EXAMPLES, LoraSettings(r=2, alpha=4.0, target_modules=("router",)), TRAIN)


def test_what_unsloth_cannot_do_is_refused() -> None:
    from dataclasses import replace

    from training.backends.unsloth.starting import KNOWN_GOOD, version_note

    with pytest.raises(Refusal, match="DoRA"):
        check_settings("unsloth", settings("mistral"), replace(LORA, dora=True))
    with pytest.raises(Refusal, match="processes"):
        check_settings("unsloth", replace(settings("mistral"), processes=2), LORA)
    with pytest.raises(Refusal, match="older than"):
        version_note("2025.8.7")
    assert "WARNING" in version_note("2099.1.1")
    assert "WARNING" not in version_note(KNOWN_GOOD)


@pytest.mark.parametrize("architecture", ["mistral", "qwen3"])
def test_a_run_goes_from_a_to_e_and_a_kill_in_training_changes_nothing(architecture: str, tmp_path: Path) -> None:
    def advance(*arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "runner", "advance", *arguments, "--results", str(tmp_path)],
            cwd=PROJECT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )

    overrides = ["profile=smoke", "backend=unsloth", f"model=tiny_random_{architecture}", "model.device=cpu"]
    overrides += ["gate.c.lora.layers=[2,3]", "gate.c.train.max_steps=90", "gate.c.train.checkpoint_every=30"]
    overrides += ["sampling.max_new_tokens=8", "sampling.samples_test=5"]
    process = advance(*overrides)
    _wait_for(tmp_path, "gate_c/checkpoints/step-000030/CHECKPOINT.json", process)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert advance("--to", "C").wait(600) == 0
    folder = next(path for path in tmp_path.iterdir() if path.is_dir())
    killed = _adapters(folder)
    subprocess.run([sys.executable, "-m", "runner", "rewind", "C", "--results", str(tmp_path)], cwd=PROJECT, check=True)
    assert advance().wait(600) == 3, "a random model gains nothing, which is an answer"
    assert _adapters(folder) == killed
    assert json.loads((folder / "gate_e" / "report.json").read_text())["status"] == "failed"


def _wait_for(results: Path, file: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 600
    while not list(results.glob(f"*/{file}")):
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _adapters(folder: Path) -> dict[str, bytes]:
    found = folder.glob("gate_c/checkpoints/step-*/adapter_model.safetensors")
    return {path.parent.name: path.read_bytes() for path in found}
