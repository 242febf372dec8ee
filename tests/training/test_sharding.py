"""Several processes generate what one does, with and without an adapter; one that dies is an error."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from env.refusal import Refusal
from tests.support.model_work import REQUESTS, SAMPLING, load
from training.backends.local.sharding import Shard
from training.records import ModelSettings


@pytest.fixture(scope="module")
def two_processes(llama: Path) -> Iterator[Any]:
    with load(llama, batch_size=4, processes=2) as sharded:
        yield sharded


def test_two_processes_generate_what_one_does(two_processes: Any, quantized: Any) -> None:
    assert two_processes.generate(REQUESTS, SAMPLING) == quantized.generate(REQUESTS, SAMPLING)
    assert dict(two_processes.stream(REQUESTS, SAMPLING)) == dict(quantized.stream(REQUESTS, SAMPLING))


def test_an_adapter_is_worn_in_every_process(two_processes: Any, quantized: Any, adapter_folder: Path) -> None:
    with quantized.adapter(adapter_folder, 0.5):
        expected = quantized.generate(REQUESTS, SAMPLING)
    with two_processes.adapter(adapter_folder, 0.5):
        assert two_processes.generate(REQUESTS, SAMPLING) == expected
    assert two_processes.generate(REQUESTS, SAMPLING) == quantized.generate(REQUESTS, SAMPLING) != expected


def test_a_process_that_died_is_an_error_and_not_a_missing_sample(llama: Path) -> None:
    shard = Shard("training.backends.transformers_peft", ModelSettings(str(llama)))
    shard._process.kill()
    with pytest.raises(RuntimeError, match="ended with exit status -9"):
        shard.ask("bare")
    shard.close()


def test_a_process_that_fails_or_refuses_says_why(llama: Path) -> None:
    shard = Shard("training.backends.no_such_backend", ModelSettings(str(llama)))
    with pytest.raises(RuntimeError, match="ModuleNotFoundError"):
        shard.ask("bare")
    shard.close()
    shard = Shard("training.backends.transformers_peft", ModelSettings("/no/such/model"))
    with pytest.raises(Refusal, match="no such folder"):
        shard.ask("bare")
    shard.close()
