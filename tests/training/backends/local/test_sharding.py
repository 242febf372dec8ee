"""Several processes generate what one does, with and without an adapter; one that dies is an error."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from env.refusal import Refusal
from eval.pipeline.sampling import GenerationRequest
from tests.support.model_work import REQUESTS, SAMPLING, load
from tests.support.settings import model_settings, sampling_settings
from training.backends.local.sharding import Shard


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
