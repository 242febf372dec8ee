"""Claims about generation by mlx: samples follow from their own seeds, and are those that the other backend draws."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from env.machine.out_of_memory import ran_out_of_memory
from eval.pipeline.sampling import GenerationRequest
from tests.support.mlx_models import EMBEDDED, PROMPT, load, made_comparable, needs_mlx
from tests.support.model_work import REQUESTS, SAMPLING, trained
from tests.support.settings import sampling_settings

pytestmark = needs_mlx

GREEDY = sampling_settings(temperature=0.0, top_p=1.0, top_k=0, max_new_tokens=24)
# nearly flat logits: every token is drawn now and then, the end token too
FLAT = sampling_settings(temperature=30.0, top_p=1.0, top_k=0, max_new_tokens=120)


@pytest.mark.parametrize("on_gpu", [False, True])
@pytest.mark.parametrize("settings", [(0.8, 0, 0.95), (1.3, 0, 1.0), (0.7, 5, 1.0), (0.7, 50, 0.6), (1.0, 0, 0.9999)])
def test_numbers_draw_the_tokens_that_the_transformers_backend_draws(
    settings: tuple[float, int, float], on_gpu: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlx.core as mx
    import torch

    from training.backends.mlx import drawing
    from training.backends.transformers_peft import drawing as theirs

    # the operations meant for Apple GPUs, which a CPU computes too
    monkeypatch.setattr(mx, "default_device", lambda: mx.gpu if on_gpu else mx.cpu)
    temperature, top_k, top_p = settings
    stream = np.random.default_rng(1)
    scores = stream.normal(size=(400, 300), scale=stream.uniform(0.01, 4, size=(400, 1))).astype(np.float32)
    numbers = drawing.uniform_numbers(range(400), 1)[:, 0]
    expected = theirs.draw(torch.from_numpy(scores), torch.from_numpy(numbers), temperature, top_k, top_p)
    assert drawing.draw(mx.array(scores), numbers, temperature, top_k, top_p).tolist() == expected.tolist()


def test_the_embedded_model_writes_the_same_samples_in_both_backends() -> None:
    requests = [GenerationRequest(PROMPT.replace("node", "node " * n), (n, n + 7)) for n in (1, 3)]
    sampling = sampling_settings(0.8, 0.95, 0, 40)
    written = load(EMBEDDED).generate(requests, sampling)
    assert written == load(EMBEDDED, "transformers_peft").generate(requests, sampling)
    assert len({sample.text for samples in written for sample in samples}) == 4


@pytest.mark.parametrize("name", ["llama", "gpt_oss"])
def test_batches_orders_and_subsets_change_no_sample(name: str, tmp_path: Path) -> None:
    folder = made_comparable(tmp_path, name)
    whole = load(folder, batch_size=64).generate(REQUESTS, SAMPLING)
    for batch_size in (1, 7):
        assert load(folder, batch_size=batch_size).generate(REQUESTS, SAMPLING) == whole
    again = load(folder, batch_size=5)
    assert again.generate(REQUESTS[::-1], SAMPLING)[::-1] == whole
    assert again.generate(REQUESTS[2:4], SAMPLING) == whole[2:4]


@pytest.mark.parametrize("name", ["llama", "qwen3", "mixtral", "gpt_oss"])
def test_greedy_writes_what_mlx_lm_writes(name: str, tmp_path: Path) -> None:
    import mlx.core as mx
    from mlx_lm.generate import generate_step

    ours = load(made_comparable(tmp_path, name))
    written = ours.generate([GenerationRequest(request.prompt, (0,)) for request in REQUESTS], GREEDY)
    for request, (sample,) in zip(REQUESTS, written, strict=True):
        ids = mx.array(ours._texts.prompt(request.prompt))
        steps = generate_step(ids, ours._loaded.model, max_tokens=24)
        tokens = [int(token) for token, _ in steps]
        ends = [place for place, token in enumerate(tokens) if token in ours._texts.end_tokens]
        assert sample.text == ours._texts.text(tokens[: min(ends, default=24)])


def test_prompts_longer_than_a_chunk_are_read_whole(mlx_model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from training.backends.mlx import generation

    whole = mlx_model.generate(REQUESTS, SAMPLING)
    monkeypatch.setattr(generation, "_PREFILL", 5)
    assert mlx_model.generate(REQUESTS, SAMPLING) == whole


def test_running_out_of_metals_memory_changes_no_sample(
    mlx_folder: Path, mlx_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.backends.mlx import model as model_module

    real = model_module.generate_batch

    def small_memory(*arguments: Any) -> Any:
        if sum(len(prompt.seeds) for prompt in arguments[3]) > 5:
            raise RuntimeError("[metal::malloc] Attempting to allocate 1073741824 bytes")
        return real(*arguments)

    expected = mlx_model.generate(REQUESTS, SAMPLING)
    starved = load(mlx_folder, batch_size=18)
    monkeypatch.setattr(model_module, "generate_batch", small_memory)
    assert starved.generate(REQUESTS, SAMPLING) == expected
    assert starved.choices["batch_size"] == "4: memory ran out with 9 rows"
    assert not ran_out_of_memory(RuntimeError("shapes do not match"))


@pytest.mark.slow
def test_two_processes_generate_what_one_does_with_and_without_an_adapter(mlx_folder: Path, tmp_path: Path) -> None:
    one = load(mlx_folder, quantization="q4")
    adapter = trained(one, tmp_path)
    with load(mlx_folder, quantization="q4", batch_size=4, processes=2) as two:
        assert two.generate(REQUESTS, SAMPLING) == one.generate(REQUESTS, SAMPLING)
        with one.adapter(adapter, 0.5), two.adapter(adapter, 0.5):
            applied = one.generate(REQUESTS, SAMPLING)
            assert two.generate(REQUESTS, SAMPLING) == applied
        assert two.generate(REQUESTS, SAMPLING) == one.generate(REQUESTS, SAMPLING) != applied
