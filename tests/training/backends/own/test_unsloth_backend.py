"""The unsloth backend, on a CPU: in the environment that `make setup-unsloth` makes (its pins are not the core's)."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from env.refusal import Refusal
from tests.faults.comparison import differing_bytes, journal, steps_again
from tests.faults.order import ORDER_VARIABLE, Act, Order, Point
from tests.support.runs import PROJECT, environment, only_run
from tests.support.settings import lora_settings, model_settings, sampling_settings, train_settings
from tests.support.shipped_gpt_oss import write_shipped
from training.backends.unsloth.forwards import patched_by
from training.exports import ExportRequest
from training.models import check_settings, export_adapter, load_model
from training.records import AdapterCheckpoint, Example, ModelSettings, StepRecord
from training.tiny_random.cache import made_folder

pytestmark = [
    pytest.mark.unsloth,
    pytest.mark.timeout(900),
    pytest.mark.skipif(find_spec("unsloth") is None, reason="unsloth is not installed here (make setup-unsloth)"),
]

SAMPLING = sampling_settings(temperature=0.8, top_p=0.95, top_k=0, max_new_tokens=10, stop=())
LORA = lora_settings(
    r=4, alpha=8.0, target_modules=("q_proj", "k_proj", "v_proj", "o_proj"), dropout=0.1, layers=(2, 3)
)
EXPERTS_LORA = lora_settings(r=2, alpha=4.0, target_modules=("q_proj", "k_proj", "v_proj", "o_proj"), layers=(19, 23))
TRAIN = train_settings(max_steps=4, batch_size=2, grad_accum=2, learning_rate=0.01, checkpoint_every=2)
EXAMPLES = [Example(f"write node {n}", f'core.register_node("a:b{n}", {{}})', str(n)) for n in range(12)]
DEADLINE_S, DECIDED = 900, (0, 3)
PROMPT, ANSWER = "write node 3", 'core.register_node("a:b3", {})'


@dataclass(frozen=True)
class Asked:
    prompt: str
    seeds: tuple[int, ...]


ASKED = [Asked("one", (1, 2, 3)), Asked("a much longer prompt than the first", (4, 5))]


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
    return model_settings(f"tiny_random:{name}", quantization=quantization, device="cpu", threads=1)


@pytest.fixture(scope="module")
def model() -> Iterator[Any]:
    with load_model("unsloth", settings("mistral", "nf4")) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def patched(model: Any) -> Any:
    """The same base, computing as where unsloth's own code is in the decoder's classes."""
    from training.backends.unsloth.model import PatchedModel

    return PatchedModel(replace(model._loaded, choices={}), settings("mistral", "nf4"))


@pytest.fixture(scope="module")
def experts() -> Iterator[Any]:
    with load_model("unsloth", settings("gpt_oss", "nf4")) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def shipped(model: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Made after ``model`` is loaded: nothing may import transformers before unsloth."""
    return write_shipped(tmp_path_factory.mktemp("gpt_oss"))


@pytest.fixture(scope="module")
def checkpoint(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    result = model.train(EXAMPLES, LORA, TRAIN, tmp_path_factory.mktemp("trained"), Hooks())
    folder: Path = result.checkpoints[-1].folder
    return folder


@pytest.mark.parametrize("which", ["model", "patched", "experts"])
def test_a_sample_does_not_depend_on_what_generates_beside_it(which: str, request: pytest.FixtureRequest) -> None:
    found = request.getfixturevalue(which)
    together = [completion for group in found.generate(ASKED, SAMPLING) for completion in group]
    assert together == one_by_one(found)
    assert len({completion.text for completion in together}) > 1


def one_by_one(model: Any) -> list[Any]:
    return [model.generate([Asked(each.prompt, (seed,))], SAMPLING)[0][0] for each in ASKED for seed in each.seeds]


@pytest.mark.parametrize("which", ["model", "patched"])
def test_training_moves_the_model_and_only_while_the_adapter_is_applied(
    which: str, checkpoint: Path, request: pytest.FixtureRequest
) -> None:
    found = request.getfixturevalue(which)
    base = found.log_prob(PROMPT, ANSWER)
    with found.adapter(checkpoint, 0.0):
        assert found.log_prob(PROMPT, ANSWER) == base
    with found.adapter(checkpoint, 0.5):
        half = found.log_prob(PROMPT, ANSWER)
    with found.adapter(checkpoint, 1.0):
        whole = found.log_prob(PROMPT, ANSWER)
    assert base < half < whole
    assert found.log_prob(PROMPT, ANSWER) == base


def test_the_adapter_means_the_same_to_the_plain_backend(model: Any, checkpoint: Path) -> None:
    with model.adapter(checkpoint, 1.0):
        here = model.log_prob(PROMPT, ANSWER)
    plain = plain_backend(made_folder("tiny_random:mistral"), "nf4", checkpoint)
    assert plain["log_prob"] == pytest.approx(here, abs=1e-3)
    assert plain["digest"] == model.identity.digest


PLAIN = """
import json, sys
from contextlib import nullcontext
from pathlib import Path
from training.models import load_model
from tests.support.settings import model_settings
path, quantization, adapter, prompt, answer = json.loads(sys.argv[1])
model = load_model("transformers_peft", model_settings(path, quantization=quantization, device="cpu", threads=1))
with model.adapter(Path(adapter), 1.0) if adapter else nullcontext():
    print(json.dumps({"log_prob": model.log_prob(prompt, answer), "digest": model.identity.digest}))
"""

MERGING = """
import sys
from pathlib import Path
from tests.support.settings import model_settings
from training.exports import ExportRequest
from training.models import export_adapter
path, adapter, to = sys.argv[1:]
request = ExportRequest(Path(adapter), 1.0, "merged", Path(to), ("local x",))
export_adapter("unsloth", model_settings(path, quantization="nf4", device="cpu", threads=1), request)
"""


def plain_backend(folder: Path, quantization: str, adapter: Path | None = None) -> dict[str, Any]:
    """What transformers_peft makes of a model, in a process of its own: this one is patched by unsloth."""
    asked = json.dumps([str(folder), quantization, str(adapter) if adapter else None, PROMPT, ANSWER])
    done = subprocess.run([sys.executable, "-c", PLAIN, asked], capture_output=True, text=True, cwd=PROJECT)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_only_attention_in_the_requested_layers_of_a_mixture_of_experts_trains(experts: Any, tmp_path: Path) -> None:
    result = experts.train(EXAMPLES, EXPERTS_LORA, TRAIN, tmp_path, Hooks(stop_after=1))
    assert result.targets == 8
    assert all("self_attn" in name and "layers.[19, 23]" in name for name in result.patterns)
    with pytest.raises(Refusal, match="packing=true"):
        experts.probe_step(EXAMPLES, EXPERTS_LORA, replace(TRAIN, packing=True))
    with pytest.raises(Refusal, match="router"):
        experts.probe_step(EXAMPLES, replace(EXPERTS_LORA, target_modules=("router",)), TRAIN)


def test_what_unsloth_cannot_do_is_refused() -> None:
    from training.backends.unsloth.starting import KNOWN_GOOD, version_note

    with pytest.raises(Refusal, match="DoRA"):
        check_settings("unsloth", settings("mistral"), replace(LORA, dora=True))
    with pytest.raises(Refusal, match="processes"):
        check_settings("unsloth", replace(settings("mistral"), processes=2), LORA)
    with pytest.raises(Refusal, match="older than"):
        version_note("2025.8.7")
    assert "WARNING" in version_note("2099.1.1")
    assert "WARNING" not in version_note(KNOWN_GOOD)


# --- how it computes


def test_what_was_chosen_is_said_with_its_reason(model: Any) -> None:
    assert model.choices["generation"].startswith("our loop, a prompt is read once for its samples: ")
    assert model.choices["evaluation"].startswith("dequantized: ")
    assert model.choices["loader"].startswith("FastModel: ")


def test_a_decoder_with_unsloth_s_own_attention_keeps_the_library_s_loop(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from unsloth.models.mistral import MistralAttention_fast_forward

    from training.backends.unsloth.model import PatchedModel, held

    assert patched_by(model._loaded.model) is None
    attention = type(model._loaded.model.model.layers[0].self_attn)
    # what unsloth does to the class where there is a GPU
    monkeypatch.setattr(attention, "forward", MistralAttention_fast_forward)
    found = held(replace(model._loaded, choices={}), settings("mistral", "nf4"))
    assert isinstance(found, PatchedModel)
    assert "(MistralAttention: unsloth.models.mistral)" in found.choices["generation"]


def test_code_made_for_gpus_is_refused_on_a_cpu(model: Any) -> None:
    with pytest.raises(Refusal, match=r"which needs a GPU \(Qwen3MoeDecoderLayer: unsloth_zoo\."):
        load_model("unsloth", settings("qwen3_moe", "nf4"))


def test_both_ways_of_computing_draw_the_same_samples_with_and_without_an_adapter(
    model: Any, patched: Any, checkpoint: Path
) -> None:
    bare = model.generate(ASKED, SAMPLING)
    assert patched.generate(ASKED, SAMPLING) == bare
    with model.adapter(checkpoint, 1.0), patched.adapter(checkpoint, 1.0):
        assert patched.log_prob(PROMPT, ANSWER) == pytest.approx(model.log_prob(PROMPT, ANSWER), abs=1e-3)
        trained = model.generate(ASKED, SAMPLING)
        assert patched.generate(ASKED, SAMPLING) == trained
    assert trained != bare


# --- which weights it holds


def test_weights_that_would_stay_random_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = Path(shutil.copytree(made_folder("tiny_random:mistral"), tmp_path / "torn"))
    tensors = load_file(folder / "model.safetensors")
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(Refusal, match=r"lack 1 tensors .*\(model\.layers\.1\.mlp\.up_proj\.weight\)"):
        load_model("unsloth", replace(settings("mistral"), path=str(folder)))


def test_a_base_whose_scales_are_quantised_too_is_another_base(model: Any) -> None:
    doubled = replace(settings("mistral", "nf4"), double_quantization=True)
    with load_model("unsloth", doubled) as other:
        assert other.identity.parts["quantization"] == "nf4 double in float32"
        assert other.identity.digest != model.identity.digest
        assert other.log_prob(PROMPT, ANSWER) != model.log_prob(PROMPT, ANSWER)


def test_fused_experts_are_those_of_the_files_and_stay_out_of_4_bits(experts: Any, tmp_path: Path) -> None:
    assert experts.choices["quantization"].startswith("nf4: 96 of 97 linear modules")
    adapter = experts.train(EXAMPLES, EXPERTS_LORA, TRAIN, tmp_path, Hooks()).checkpoints[-1].folder
    with experts.adapter(adapter, 1.0):
        here = experts.log_prob(PROMPT, ANSWER)
    assert experts.log_prob(PROMPT, ANSWER) != here
    plain = plain_backend(made_folder("tiny_random:gpt_oss"), "nf4", adapter)
    assert plain["log_prob"] == pytest.approx(here, abs=1e-3)
    assert plain["digest"] == experts.identity.digest


def test_gpt_oss_as_unsloth_ships_it_in_4_bits_computes_what_its_weights_say(
    shipped: tuple[Path, Path], tmp_path: Path
) -> None:
    folder, unpacked = shipped
    with load_model("unsloth", replace(settings("gpt_oss", "nf4"), path=str(folder))) as loaded:
        here = loaded.log_prob(PROMPT, ANSWER)
        assert here == pytest.approx(plain_backend(unpacked, "none")["log_prob"], abs=1e-3)
        # 4 of attention and 2 in each of 4 experts, in 24 layers; the head stays whole
        assert loaded.choices["quantization"].startswith("nf4: 288 of 289 linear modules")
        assert [one for group in loaded.generate(ASKED, SAMPLING) for one in group] == one_by_one(loaded)
        result = loaded.train(EXAMPLES, EXPERTS_LORA, TRAIN, tmp_path, Hooks())
        assert result.targets == 8
        with loaded.adapter(result.checkpoints[-1].folder, 1.0):
            assert loaded.log_prob(PROMPT, ANSWER) > here
        assert loaded.log_prob(PROMPT, ANSWER) == here
    checkpoint, held = result.checkpoints[-1].folder, replace(settings("gpt_oss", "nf4"), path=str(folder))
    (tmp_path / "adapter").mkdir()
    told = export_adapter("unsloth", held, ExportRequest(checkpoint, 0.5, "adapter", tmp_path / "adapter", (PROMPT,)))
    assert told.same_choice == 1.0
    (tmp_path / "merged").mkdir()
    words = [str(folder), str(checkpoint), str(tmp_path / "merged")]
    merging = subprocess.run([sys.executable, "-c", MERGING, *words], capture_output=True, text=True, cwd=PROJECT)
    assert "which would stay random" in merging.stderr


# --- to the end


RUNS = {
    "mistral": (
        "profile=smoke",
        "backend=unsloth",
        "model=tiny_random",
        "model.path=tiny_random:mistral",
        "gate.c.lora.layers=[2,3]",
    ),
    "qwen3": (
        "profile=smoke",
        "backend=unsloth",
        "model=tiny_random",
        "model.path=tiny_random:qwen3",
        "gate.c.lora.layers=[2,3]",
    ),
    # the profile of a 24 GB card as it is, less its sizes
    "gpt_oss": (
        "profile=rtx3090_gpt_oss_20b",
        "size=smoke",
        "model=tiny_random",
        "model.path=tiny_random:gpt_oss",
        "verifier=recorder",
    ),
}
QUICK = ("model.device=cpu", "model.processes=1", "sampling.max_new_tokens=8", "gate.d.scales=[1.0]")
# behind the checkpoint of step 3, and between two parts of the first cell
KILLS = (
    Point("worker", "write", "gate_c/metrics.jsonl", 5),
    Point("worker", "write", "gate_d/cells/step-000003_x1.00/samples.jsonl", 1),
)


@pytest.mark.parametrize("name", ["mistral", "gpt_oss"])
def test_a_run_killed_in_training_and_in_the_sweep_ends_with_the_bytes_of_an_undisturbed_one(
    name: str, tmp_path: Path
) -> None:
    undisturbed = advance(tmp_path / "undisturbed", *RUNS[name], *QUICK)
    for number, point in enumerate(KILLS):
        fired = tmp_path / f"fired{number}"
        order = Order(point, Act.KILL_AFTER, tmp_path / "killed", fired, tmp_path / "disk")
        struck = advance(tmp_path / "killed", *(() if number else (*RUNS[name], *QUICK)), order=order)
        assert struck.wait(DEADLINE_S) == -signal.SIGKILL
        assert fired.exists()
    assert advance(tmp_path / "killed").wait(DEADLINE_S) in DECIDED
    assert undisturbed.wait(DEADLINE_S) in DECIDED
    run = only_run(tmp_path / "killed")
    assert [event["gate"] for event in journal(run) if event["type"] == "gate_started"] == list("abccdde")
    assert differing_bytes(run, only_run(tmp_path / "undisturbed")) == {}
    assert steps_again(run) == 2, "steps 4 and 5 lie behind the checkpoint"


def test_a_run_with_qwen_goes_from_a_to_e(tmp_path: Path) -> None:
    assert advance(tmp_path, *RUNS["qwen3"], *QUICK).wait(DEADLINE_S) in DECIDED
    reports = [json.loads((only_run(tmp_path) / f"gate_{gate}/report.json").read_text()) for gate in "abcde"]
    bases = [reports[0]["results"]["probe"]["base"], *(report["results"]["base"] for report in reports[1:])]
    assert len({base["digest"] for base in bases}) == 1
    assert reports[2]["choices"]["loader"].startswith("FastModel")


def advance(results: Path, *overrides: str, order: Order | None = None) -> subprocess.Popen[bytes]:
    """Start ``advance`` in ``results``; an order has it struck by itself, at a file call."""
    path = {"PYTHONPATH": os.pathsep.join((str(PROJECT / "tests" / "faults" / "hook"), str(PROJECT)))}
    return subprocess.Popen(
        [sys.executable, "-m", "runner", "advance", *overrides],
        cwd=PROJECT,
        env={**environment(results), **({} if order is None else {**path, ORDER_VARIABLE: order.to_text()})},
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
