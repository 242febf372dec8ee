"""The page about tasks of one's own is typed as it stands, for both domains: from an empty file to a measured task."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from eval.datasets.own_tasks.task_entries import OWN
from tests.support.runs import PROJECT, only_run, runner

pytestmark = pytest.mark.timeout(900)

PAGE = (PROJECT / "docs" / "your-tasks.md").read_text(encoding="utf-8")
FENCE = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
WALKS = dict(
    zip(
        ("luanti", "roblox"),
        ([line.partition(" #")[0].strip() for line in block.splitlines()] for block in FENCE.findall(PAGE)),
        strict=True,
    )
)
FILES = re.compile(r"\b[a-z_]+\.(?:yaml|jsonl)\b")


def typed(desk: Path, command: str) -> subprocess.CompletedProcess[str]:
    words = shlex.split(FILES.sub(lambda found: str(desk / found[0]), command))
    if words[2] == "runner":
        return runner(*words[3:], results=desk / "results")
    return subprocess.run([sys.executable, *words[1:]], cwd=PROJECT, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("domain", WALKS)
def test_the_way_from_an_empty_file_to_a_measured_task_goes_as_the_page_says(domain: str, tmp_path: Path) -> None:
    if domain == "roblox" and find_spec("pluau") is None:
        pytest.skip("Roblox: pip install luagate[roblox]")
    for command in WALKS[domain]:
        done = typed(tmp_path, command)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    assert "garden." in done.stdout
    assert (only_run(tmp_path / "results") / "gate_b" / "report.json").is_file()


def test_the_page_names_every_key_of_a_task_and_no_other() -> None:
    table = PAGE[PAGE.index("| key | holds |") : PAGE.index("A cluster is never in dev and test")]
    named = {key for row in table.splitlines()[2:] if row for key in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert named == {*OWN.required, *OWN.optional}
