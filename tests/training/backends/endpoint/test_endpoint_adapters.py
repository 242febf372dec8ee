"""An adapter at a server is loaded there, shows, and goes again; or it is refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from env.refusal import Refusal
from eval.pipeline.sampling import GenerationRequest
from tests.support.fake_server import Fake, serving
from tests.support.settings import sampling_settings
from tests.training.backends.endpoint.conftest import Open
from training.backends.endpoint.baking import adapter_name
from training.checkpoints import ADAPTER_CONFIG, ADAPTER_WEIGHTS

GREEDY = sampling_settings(0.0, 1.0, 0, 40)
ASK = [GenerationRequest("ask", (0,))]


def test_a_server_that_loads_while_it_runs_gets_the_adapter_with_its_scale_and_loses_it_again(
    fake: Fake, opened: Open, adapter: Path, tmp_path: Path
) -> None:
    model = opened(fake)
    base = model.generate(ASK, GREEDY)
    name = adapter_name(adapter, 0.5)
    with model.adapter(adapter, 0.5):
        [folder] = (tmp_path / "served").iterdir()
        worn = model.generate(ASK, GREEDY)
        assert fake.seen[-1]["model"] == name
        baked = load_file(folder / ADAPTER_WEIGHTS)
        trained = load_file(adapter / ADAPTER_WEIGHTS)
        assert {key: float(baked[key][0, 0]) for key in trained} == {
            key: 0.5 if "lora_B" in key else 1.0 for key in trained
        }
        assert json.loads((folder / ADAPTER_CONFIG).read_text())["lora_alpha"] == 4
    assert worn != base
    assert fake.unloaded == [name]
    assert not list((tmp_path / "served").iterdir())
    assert model.generate(ASK, GREEDY) == base


def test_scale_zero_asks_for_the_base_itself(fake: Fake, opened: Open, adapter: Path) -> None:
    model = opened(fake)
    base = model.log_prob("ask", "four")
    with model.adapter(adapter, 0.0):
        assert model.log_prob("ask", "four") == base
        assert fake.seen[-1]["model"] == "base"


def test_an_adapter_that_the_server_lists_is_used_as_it_is(fake: Fake, opened: Open, adapter: Path) -> None:
    name = adapter_name(adapter, 1.0)
    fake.strengths[name], fake.loads = 1.0, False
    model = opened(fake, model="base")
    with model.adapter(adapter, 1.0):
        assert model.log_prob("ask", "four") == -2.0
    assert fake.strengths == {name: 1.0}


def test_without_the_adapter_it_is_refused_by_name_with_the_command_that_serves_all(
    fake: Fake, opened: Open, adapter: Path
) -> None:
    fake.loads = False
    model = opened(fake)
    model.announce([(adapter, 0.5), (adapter, 1.0)])
    fake.seen.clear()
    with pytest.raises(Refusal) as refused, model.adapter(adapter, 0.5):
        pytest.fail("it was measured without the adapter")
    half, whole = adapter_name(adapter, 0.5), adapter_name(adapter, 1.0)
    assert f"does not serve the adapter {half}, and loads none while it runs" in refused.value.sentence
    assert "vllm serve org/base --enable-lora" in refused.value.fix
    for name in (half, whole):
        [place] = [word for word in refused.value.fix.split() if word.startswith(f"{name}=")]
        assert (Path(place.removeprefix(f"{name}=").rstrip(".")) / ADAPTER_WEIGHTS).is_file()
    # what the base makes of the references, and nothing else
    assert {body["model"] for body in fake.seen} == {"base"}


def test_an_adapter_that_does_not_show_is_refused(fake: Fake, opened: Open, adapter: Path) -> None:
    model = opened(fake)
    fake.moves = 0.0
    with pytest.raises(Refusal, match="step-000003 at scale 1 as it does without: the log-probability of no reference"):
        model.adapter(adapter, 1.0).__enter__()
    assert fake.unloaded


def test_where_no_log_probabilities_are_told_greedy_answers_must_change(
    fake: Fake, opened: Open, adapter: Path
) -> None:
    fake.scores = False
    model = opened(fake)
    with model.adapter(adapter, 1.0):
        pass
    fake.moves = 0.0
    other = opened(fake)
    with pytest.raises(Refusal, match="the greedy answers to 2 prompts are the same"):
        other.adapter(adapter, 1.0).__enter__()


def test_a_server_that_cannot_read_the_folder_is_told_of(fake: Fake, opened: Open, adapter: Path) -> None:
    model = opened(fake, server_folder="/mnt/theirs")
    with pytest.raises(Refusal) as refused:
        model.adapter(adapter, 1.0).__enter__()
    assert f"/mnt/theirs/peft-{adapter_name(adapter, 1.0)} is not there" in refused.value.sentence
    assert "sampler.server_folder" in refused.value.fix


def test_sglang_names_the_adapter_beside_the_model(opened: Open, adapter: Path) -> None:
    with serving(Fake(software="sglang")) as fake:
        model = opened(fake)
        with model.adapter(adapter, 1.0):
            model.generate(ASK, GREEDY)
            asked = fake.seen[-1]
            assert (asked["model"], asked["lora_path"]) == ("base", adapter_name(adapter, 1.0))


def test_llama_cpp_gets_the_scale_with_each_request(opened: Open, adapter: Path) -> None:
    name = adapter_name(adapter, None)
    with serving(Fake(software="llama_cpp", ggufs=["/x/other.gguf", f"/x/{name}.gguf"])) as fake:
        model = opened(fake)
        model.generate(ASK, GREEDY)
        assert fake.seen[-1]["lora"] == []
        with model.adapter(adapter, 0.25):
            model.generate(ASK, GREEDY)
            assert fake.seen[-1]["lora"] == [{"id": 1, "scale": 0.25}]
        fake.ggufs = []
        with pytest.raises(Refusal, match=f"does not serve the adapter {name}") as refused:
            model.adapter(adapter, 0.5).__enter__()
        assert f"--outfile {name}.gguf {adapter}" in refused.value.fix


def test_mlx_gets_the_folder_with_each_request(opened: Open, adapter: Path) -> None:
    with serving(Fake(software="mlx_lm", scores=False)) as fake:
        model = opened(fake)
        with model.adapter(adapter, 0.5):
            model.generate(ASK, GREEDY)
            folder = Path(fake.seen[-1]["adapters"])
            assert (folder / "written.txt").read_text() == "step-000003 0.5 adapter"


def test_transformers_gets_a_whole_model_that_goes_again(opened: Open, adapter: Path) -> None:
    with serving(Fake(software="transformers", scores=False)) as fake:
        folder = Path()
        fake.strengths["sentinel"] = 0.0
        model = opened(fake, model="base")
        fake.edit = lambda answer: answer.update(model=f"{answer['model']}@main")
        fake.completion, plain = (  # type: ignore[method-assign]
            lambda body: plain({**body, "adapters": True} if body["model"] != "base" else body),
            fake.completion,
        )
        with model.adapter(adapter, 0.5):
            model.generate(ASK, GREEDY)
            folder = Path(fake.seen[-1]["model"])
            assert (folder / "written.txt").read_text() == "step-000003 0.5 merged"
        assert not folder.exists()


def test_a_name_tells_bytes_and_scale_apart(adapter: Path) -> None:
    names = {adapter_name(adapter, scale) for scale in (0.5, 1.0, None)}
    first = adapter_name(adapter, 1.0)
    assert first.startswith("step-000003_x1.00-")
    save_file({"base_model.model.q.lora_A.weight": np.zeros((2, 2), np.float32)}, adapter / ADAPTER_WEIGHTS)
    assert len(names | {adapter_name(adapter, 1.0)}) == 4


def test_dora_is_refused_for_a_server(fake: Fake, opened: Open, adapter: Path) -> None:
    tensors = load_file(adapter / ADAPTER_WEIGHTS)
    tensors["base_model.model.layers.0.q_proj.lora_magnitude_vector"] = np.ones(2, np.float32)
    save_file(tensors, adapter / ADAPTER_WEIGHTS)
    with pytest.raises(Refusal, match="servers do not apply DoRA adapters"):
        opened(fake).adapter(adapter, 1.0).__enter__()


def test_two_adapters_at_once_are_a_fault_of_ours(fake: Fake, opened: Open, adapter: Path) -> None:
    model = opened(fake)
    with model.adapter(adapter, 1.0), pytest.raises(RuntimeError, match="leave its block first"):
        model.adapter(adapter, 0.5).__enter__()
