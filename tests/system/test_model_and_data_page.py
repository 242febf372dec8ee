"""The page about an own model and own data is typed as it stands, with the embedded model as the stranger's folder."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support import garden
from tests.support.runs import PROJECT, only_run, runner

pytestmark = pytest.mark.timeout(900)

PAGE = (PROJECT / "docs" / "your-model-and-data.md").read_text(encoding="utf-8")
FENCE = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
FULL = "size=full"


def commands(block: str) -> list[str]:
    return [line.partition(" #")[0].strip() for line in block.splitlines()]


WALK, SHOW, LOOK, RUN = map(commands, FENCE.findall(PAGE))


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, rows to train on and rows to measure, under names that need quotes."""
    folder = tmp_path_factory.mktemp("own desk")
    shutil.copytree(PROJECT / "training" / "tiny" / "model", folder / "my model")
    items = [{"instruction": r.instruction, "output": r.output, "family": r.family} for r in garden.items()]
    rows = [
        {
            "instruction": f"Please write a shrub, garden:shrub_{n}, that shows shrub_{n}.png.",
            "output": f'core.register_node("garden:shrub_{n}", {{tiles = {{"shrub_{n}.png"}}}})',
            "family": "scaffold",
        }
        for n in range(8)
    ]
    for name, lines in (("eval", items), ("train", rows)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    (folder / "apple.lua").write_text(items[0]["output"], encoding="utf-8")
    return folder


def typed(desk: Path, command: str) -> subprocess.CompletedProcess[str]:
    stands_for = {
        "FOLDER": str(desk / "my model"),
        "EVAL": str(desk / "eval.jsonl"),
        "TRAIN": str(desk / "train.jsonl"),
        "mine.yaml": str(desk / "mine.yaml"),
        "ADAPTER": str(desk / "adapter"),
        "TASK": "eval:1",
        "ANSWER": str(desk / "apple.lua"),
    }
    words = [re.sub("|".join(stands_for), lambda found: stands_for[found[0]], word) for word in shlex.split(command)]
    return runner(*words[3:], results=desk / "results")


@pytest.mark.slow
def test_the_way_from_two_files_and_a_folder_to_an_adapter_goes_as_the_page_says(desk: Path) -> None:
    for command in WALK:
        if FULL in command:
            break
        done = typed(desk, command)
        # 3: the decision of so small a run is not PROCEED
        assert done.returncode in ((0, 3) if "advance" in command else (0,)), f"{command}\n{done.stdout}{done.stderr}"
    assert "smoke run: shows that every part works together" in typed(desk, "python -m runner status").stdout
    smoke = only_run(desk / "results")
    assert typed(desk, WALK[-2]).returncode == 0, "its report"
    assert typed(desk, f"{WALK[-1]} --anyway").returncode == 0, "its adapter"
    assert (smoke / "report.html").is_file()
    assert (desk / "adapter" / "adapter_model.safetensors").is_file()
    full = typed(desk, next(command for command in WALK if FULL in command))
    assert full.returncode == 0, full.stdout + full.stderr
    assert typed(desk, "python -m runner config smoke").stdout == "False\n"


def test_the_way_to_see_what_would_be_measured_goes_as_the_page_says(desk: Path) -> None:
    for command in (*SHOW, *LOOK):
        done = typed(desk, command)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


def test_every_key_and_check_that_the_page_names_is_one() -> None:
    keys = set(re.findall(r"`((?:model|dataset|prompt|sampling|rule|gate|backend)\.[\w.]+)(?:=[^`]*)?`", PAGE))
    assert len(keys) > 10
    known = runner("config", "--json", "--from-defaults", results=Path("/nonexistent")).stdout
    config = json.loads(known)
    for key in sorted(keys):
        value = config
        for part in key.split("."):
            assert part in value, f"{key}: no such key"
            value = value[part]
