"""B, D and E sample at a server; killed on either side, the run ends with the numbers of an undisturbed one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.runs import (
    PROJECT,
    SMOKE,
    environment,
    kill_group,
    only_run,
    results_of,
    runner,
    start,
    wait_until,
)

STORED = "gate_b/samples.jsonl"
# a smoke run at a server, and the baselines of two more, one of them without a server
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("served runs"), pytest.mark.timeout(900)]


class Server:
    """The embedded model at a port that stays the same when it is started again."""

    def __init__(self, results: Path) -> None:
        self._results, self.port = results, 0
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.support.own_server", str(self.port)]
        self._process = subprocess.Popen(
            command, cwd=PROJECT, env=environment(self._results), stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        word, port = self._process.stdout.readline().split()
        assert word == "ready"
        self.port = int(port)

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    server = Server(folder)
    try:
        yield server
    finally:
        server.kill()


def settings(server: Server) -> tuple[str, ...]:
    return (
        *SMOKE, "model.quantization=none", "sampler=endpoint", f"sampler.urls=[http://127.0.0.1:{server.port}]",
        "sampler.retry_s=0.5", "gate.d.scales=[1.0]",
    )  # fmt: skip


def lines(path: Path) -> int:
    return len(path.read_bytes().splitlines()) if path.is_file() else 0


def report(run: Path, gate: str) -> Any:
    return json.loads((run / f"gate_{gate}" / "report.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    with serving(folder) as one:
        yield one


@pytest.fixture(scope="module")
def cache(folder: Path) -> dict[str, str]:
    """Variables under which adapters are written here."""
    return {"XDG_CACHE_HOME": str(folder / "cache")}


@pytest.fixture(scope="module")
def calm(folder: Path, server: Server, cache: dict[str, str]) -> Path:
    """The results folder of a run that nothing disturbs, up to Gate B."""
    results = folder / "calm"
    done = runner("advance", "--to", "b", *settings(server), results=results, more=cache)
    assert done.returncode == 0, done.stdout + done.stderr
    return results


def test_killed_on_either_side_a_run_ends_with_the_numbers_of_an_undisturbed_one(
    server: Server, calm: Path, cache: dict[str, str], tmp_path: Path
) -> None:
    runner("new", *settings(server), results=tmp_path, check=True)
    run = only_run(tmp_path)
    samples = run / STORED
    # the server in mid-run
    ours = start("advance", "--to", "b", results=tmp_path, more=cache)
    wait_until(lambda: lines(samples) >= 20, "samples of the base", ours)
    server.kill()
    said = ours.communicate()[0]
    assert ours.returncode == 2, said
    assert "sampler.retry_s is over" in said
    stored = lines(samples)
    assert 20 <= stored < 120
    again = runner("advance", "--to", "b", results=tmp_path, more=cache)
    assert again.returncode == 2, again.stdout
    assert lines(samples) == stored
    server.start()
    # our side in mid-call
    ours = start("advance", "--to", "b", results=tmp_path, more=cache)
    wait_until(lambda: lines(samples) > stored, "more samples of the base", ours)
    kill_group(ours)
    done = runner("advance", "--to", "b", results=tmp_path, more=cache)
    assert done.returncode == 0, done.stdout + done.stderr
    assert results_of(run) == {STORED: results_of(only_run(calm))[STORED]}


def test_a_run_at_a_server_goes_from_a_to_e_and_says_what_was_proven(calm: Path, cache: dict[str, str]) -> None:
    done = runner("advance", results=calm, more=cache)
    assert done.returncode in (0, 3), done.stdout + done.stderr
    choices = report(only_run(calm), "a")["results"]["probe"]["sampler"]["choices"]
    assert choices["same base"].startswith("the same within the tolerance")
    assert choices["adapter of one step"].startswith("the same as here within the tolerance")
    assert choices["seeds"].startswith("honoured")
    decided = report(only_run(calm), "e")
    assert decided["results"]["canary"]["zero_moved_nats"] == 0
    assert "60 samples" in decided["choices"]["tokens"]


def test_what_it_measures_agrees_with_our_own_load(calm: Path, tmp_path: Path) -> None:
    done = runner("advance", "--to", "b", *SMOKE, "model.quantization=none", results=tmp_path)
    assert done.returncode == 0, done.stdout
    for split in ("dev", "test"):
        here, there = (_interval(report(only_run(results), "b"), split) for results in (tmp_path, calm))
        assert here[0] <= there[1]
        assert there[0] <= here[1]


def _interval(found: Any, split: str) -> tuple[float, float]:
    [metric] = [one for one in found["results"]["splits"][split]["metrics"] if one["k"] == 5]
    return metric["low"], metric["high"]
