"""A curation that is killed at any of its file calls ends, resumed, with the bytes of an undisturbed one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults import curation
from tests.support.curated import node, recipe_file, source, write_rows
from tests.support.runs import PROJECT, environment

pytest.importorskip("license_expression")


def killed(folder: Path, kills: int) -> dict[str, object]:
    """Kill small curations at file calls (0: at each); return what the campaign says."""
    plants = ("fern", "oak", "moss", "rose", "hazel", "birch")
    rows = [node(plant) for plant in plants] + [node("fern"), {**node("pine"), "output": "x = "}]
    write_rows(folder / "rows.jsonl", rows)
    write_rows(folder / "eval.jsonl", [node("oak")])
    sections = {
        "execute": {"chunk": 3, "mutations": 1},
        "decontaminate": {"files": ["eval.jsonl"]},
        "split": {"held_out": 0.3},
    }
    recipe = recipe_file(folder, {"mine": source("rows", "rows.jsonl")}, **sections)
    (folder / "kills").mkdir()
    words = [str(recipe), str(folder / "kills"), str(kills), "0"]
    done = subprocess.run(
        [sys.executable, "-m", curation.__name__, *words],
        cwd=PROJECT,
        env=environment(folder),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr[-3000:]
    found: dict[str, object] = json.loads(done.stdout)
    return found


@pytest.mark.timeout(600)
def test_a_curation_killed_at_some_of_its_file_calls_ends_with_the_same_bytes(tmp_path: Path) -> None:
    found = killed(tmp_path, 6)
    assert found["differing"] == {}
    assert found["struck"] == 6


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_curation_killed_at_many_of_its_file_calls_ends_with_the_same_bytes(tmp_path: Path) -> None:
    found = killed(tmp_path, 30)
    assert found["differing"] == {}
    assert found["struck"] == 30
