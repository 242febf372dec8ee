"""However many runs there are, a screen opens a few files of each it shows, and none of those it does not."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.support.many_runs import fill
from tests.support.runs import PROJECT, environment

MANY, FEW = 24, 8
# run.json for the order and for the run, its journal, its lock and folder, which one is current: room for one more.
FILES_A_RUN = 7

COUNTING = """
import atexit, collections, json, os, sys
opened, machines = collections.Counter(), 0
def note(event, arguments):
    if event == "open" and isinstance(arguments[0], str) and arguments[0].startswith(os.environ["LUAGATE_RESULTS"]):
        opened[os.path.relpath(arguments[0], os.environ["LUAGATE_RESULTS"])] += 1
sys.addaudithook(note)
import transitions
build = transitions.Machine.__init__
def counted(self, *arguments, **options):
    global machines
    machines += 1
    build(self, *arguments, **options)
transitions.Machine.__init__ = counted
atexit.register(lambda: print(json.dumps({"opened": opened, "machines": machines}), file=sys.stderr))
from runner.cli import main
sys.argv = ["runner", *sys.argv[1:]]
raise SystemExit(main())
"""


@pytest.fixture(scope="module", params=[FEW, MANY])
def results(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("many")
    fill(folder, request.param)
    return folder


def looked_at(results: Path, *words: str) -> tuple[Counter[str], int, str]:
    """Return which files of ``results`` a command opened and how often, how many machines it built, what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", COUNTING, *words],
        cwd=PROJECT, env=environment(results), capture_output=True, text=True, timeout=240, check=True,
    )  # fmt: skip
    told = json.loads(done.stderr.splitlines()[-1])
    return Counter(told["opened"]), told["machines"], done.stdout


def test_the_list_opens_a_few_small_files_of_each_run_and_builds_no_machine(results: Path) -> None:
    opened, machines, printed = looked_at(results, "runs")
    folders = [path.name for path in results.iterdir() if path.is_dir()]
    assert f"{len(folders)} runs" in printed
    assert opened.total() <= FILES_A_RUN * len(folders) + 1, "and once more which one is current"
    # a lock is asked of the folder, too
    assert {Path(name).name for name in opened} <= {"run.json", "events.jsonl", "run.lock", ".current", *folders}
    assert machines == 0


def test_the_status_of_one_run_opens_no_file_of_another(results: Path) -> None:
    opened, machines, printed = looked_at(results, "status")
    [shown] = {Path(name).parts[0] for name in opened if len(Path(name).parts) > 1}
    assert f"run {shown}" in printed
    assert opened.total() <= 2 * FILES_A_RUN
    assert machines == 0


def test_a_run_named_in_full_is_found_without_looking_at_the_others(results: Path) -> None:
    name = sorted(path.name for path in results.iterdir() if path.is_dir())[0]
    opened, _, _ = looked_at(results, "status", "--run", name)
    assert {Path(path).parts[0] for path in opened} <= {name, ".current"}
