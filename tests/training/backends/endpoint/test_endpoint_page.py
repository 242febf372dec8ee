"""The page about sampling at a server shows overrides that compose, every key with its default, and every server."""

from __future__ import annotations

import re
import shlex
from dataclasses import fields
from pathlib import Path

import pytest

from env.refusal import Refusal
from runner.runs.config import compose_experiment
from tests.support.settings import composed
from training.backends import BACKENDS, require_server, require_trainer
from training.backends.endpoint.servers import SERVERS, WAYS
from training.sampler import SamplerSettings

PAGE = (Path(__file__).resolve().parents[4] / "docs" / "endpoint.md").read_text(encoding="utf-8")
LINES = [line.strip().partition("   ")[0] for line in PAGE.splitlines() if line.startswith("    ")]
OVERRIDES = [line for line in LINES if line.startswith(("sampler=", "profile="))]


@pytest.mark.parametrize("line", OVERRIDES)
def test_overrides_that_the_page_shows_compose(line: str) -> None:
    experiment = compose_experiment(shlex.split(line))[0]
    assert experiment.sampler.name == "endpoint"
    assert require_server(experiment.sampler.name).serves


def test_the_page_shows_a_large_profile_whose_samples_come_from_another_machine() -> None:
    [line] = [one for one in OVERRIDES if one.startswith("profile=")]
    experiment = compose_experiment(shlex.split(line))[0]
    assert (experiment.backend.name, experiment.sampler.urls) == ("unsloth", ("http://gpu-box:8000",))
    assert experiment.sampler.concurrency == 64


def test_the_page_tells_every_key_and_its_default() -> None:
    rows = [row.split("|")[1:3] for row in PAGE.splitlines() if row.startswith("| `sampler.")]
    defaults, named = composed("sampler=endpoint").sampler, ["name"]
    for keys, shown in rows:
        names = re.findall(r"`sampler\.(\w+)`", keys)
        assert [_told(getattr(defaults, name)) for name in names] == [one.strip(" `") for one in shown.split(",")]
        named += names
    assert sorted(named) == sorted(field.name for field in fields(SamplerSettings))


def _told(value: object) -> str:
    """Return a default as the page writes it."""
    if isinstance(value, tuple):
        return f"[{', '.join(value)}]"
    return f"{value:g}" if isinstance(value, float) else str(value) or '""'


def test_the_page_starts_every_server_that_is_known() -> None:
    for name in ("vllm serve", "sglang.launch_server", "llama-server", "mlx_lm.server", "transformers serve"):
        assert [line for line in LINES if name in line]
    assert {server.way for server in SERVERS.values()} == set(WAYS)


def test_a_server_is_no_backend_to_train_with_and_no_trainer_serves() -> None:
    with pytest.raises(Refusal, match="backend = 'endpoint' cannot train") as refused:
        require_trainer("endpoint")
    assert "sampler=endpoint" in refused.value.fix
    for name in ("mlx", "endpiont"):
        with pytest.raises(Refusal, match=rf"sampler\.name = '{name}' is no backend that samples for another"):
            require_server(name)
    assert [backend.name for backend in BACKENDS.values() if backend.serves] == ["endpoint"]
