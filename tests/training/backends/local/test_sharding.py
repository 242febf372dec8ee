"""Several processes generate what one does, with and without an adapter; one that dies is an error."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from env.refusal import Refusal
from eval.pipeline.sampling import GenerationRequest
from tests.support.model_work import REQUESTS, SAMPLING, load
from tests.support.settings import model_settings, sampling_settings
from training.backends.local.sharding import Shard, card_of
from training.backends.transformers_peft import choosing


@pytest.fixture(scope="module")
def two_processes(llama: Path) -> Iterator[Any]:
    with load(llama, batch_size=4, processes=2) as sharded:
        yield sharded


def test_two_processes_generate_what_one_does(two_processes: Any, quantized: Any) -> None:
    assert two_processes.generate(REQUESTS, SAMPLING) == quantized.generate(REQUESTS, SAMPLING)
    steps = list(two_processes.draw(REQUESTS, SAMPLING))
    assert sum(step.tokens for step in steps) == sum(step.tokens for step in quantized.draw(REQUESTS, SAMPLING))


def test_work_that_is_left_ends_in_every_process_and_the_next_call_is_whole(two_processes: Any, quantized: Any) -> None:
    # an hour of work, were it done: the test would not end in time
    long = sampling_settings(0.8, 0.95, 0, 400)
    many = [GenerationRequest(request.prompt, tuple(range(200))) for request in REQUESTS]
    two_processes.generate(REQUESTS, SAMPLING)
    for steps_taken in (1, 30):
        steps = two_processes.draw(many, long)
        for _ in range(steps_taken):
            next(steps)
        steps.close()
        assert two_processes.generate(REQUESTS, SAMPLING) == quantized.generate(REQUESTS, SAMPLING)


def test_work_that_is_left_while_another_process_still_loads_does_not_wait_for_it(
    llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with load(llama, batch_size=4, processes=2) as sharded:
        [shard] = sharded._shards
        monkeypatch.setattr(shard, "_has_model", lambda: time.sleep(0.05))
        steps = sharded.draw(REQUESTS, SAMPLING)
        next(steps)
        # to wait for it would take until the test's time is up
        steps.close()


def test_an_adapter_is_applied_in_every_process(two_processes: Any, quantized: Any, adapter_folder: Path) -> None:
    with quantized.adapter(adapter_folder, 0.5):
        expected = quantized.generate(REQUESTS, SAMPLING)
    with two_processes.adapter(adapter_folder, 0.5):
        assert two_processes.generate(REQUESTS, SAMPLING) == expected
    assert two_processes.generate(REQUESTS, SAMPLING) == quantized.generate(REQUESTS, SAMPLING) != expected


def test_a_process_that_died_is_an_error_and_not_a_missing_sample(llama: Path) -> None:
    shard = Shard("training.backends.transformers_peft", model_settings(str(llama)))
    shard._process.kill()
    with pytest.raises(RuntimeError, match="ended with exit status -9"):
        shard.ask("bare")
    shard.close()


def test_a_process_that_fails_or_refuses_says_why(llama: Path) -> None:
    shard = Shard("training.backends.no_such_backend", model_settings(str(llama)))
    with pytest.raises(RuntimeError, match="ModuleNotFoundError"):
        shard.ask("bare")
    shard.close()
    shard = Shard("training.backends.transformers_peft", model_settings("/no/such/model"))
    with pytest.raises(Refusal, match="no such folder"):
        shard.ask("bare")
    shard.close()


def test_each_process_has_a_card_of_its_own_among_the_visible_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert [card_of(number)["CUDA_VISIBLE_DEVICES"] for number in (1, 2)] == ["1", "2"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4, GPU-7f,2")
    assert [card_of(number)["CUDA_VISIBLE_DEVICES"] for number in (0, 1, 2)] == ["4", "GPU-7f", "2"]


def test_as_many_processes_as_gpus_and_no_more(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    claimed: list[str] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _number: SimpleNamespace(uuid="GPU-1"))
    monkeypatch.setattr(choosing, "claim_gpu", claimed.append)
    settings = model_settings(str(llama), device="cuda", processes=2, quantization="none")
    assert choosing.choose_device(settings) == ("cuda", "requested")
    assert claimed == ["GPU-1"]
    with pytest.raises(Refusal, match=r"model\.processes = 3: there are 2 GPUs, each driven by one process"):
        choosing.choose_device(replace(settings, processes=3))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(Refusal, match="a cuda device is driven by one process"):
        choosing.choose_device(settings)
