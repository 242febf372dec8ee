"""Whatever strikes a run, and whenever, nothing is lost and no byte of its results differs (tests/faults)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from env.files import write_atomic
from tests.faults.flushes import unflushed
from tests.faults.order import ORDER_VARIABLE, Act, Order, Point, order_of, place
from tests.faults.plan import Kind
from tests.faults.table import is_clean, lines
from tests.support.runs import PROJECT, environment


def campaign(folder: Path, *options: str) -> dict[str, Any]:
    """Carry out a campaign by its command, as anybody would; return what its table shows."""
    command = [sys.executable, "-m", "tests.faults", "--keep", str(folder), "--json", *options]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=3500, check=False)
    assert done.stdout, done.stderr[-3000:]
    table: dict[str, Any] = json.loads(done.stdout)
    report = "\n".join(lines(table))
    print(report)
    assert is_clean(table), report
    assert done.returncode == 0
    return table


def struck(table: dict[str, Any]) -> int:
    return sum(sum(counts.values()) for counts in table["injections"].values())


@pytest.mark.xdist_group("runs")
@pytest.mark.timeout(1800)
def test_a_dozen_faults_from_gate_a_to_e_lose_nothing_and_change_no_byte(tmp_path: Path) -> None:
    table = campaign(tmp_path, "--injections", "12", "--jobs", "1", "--seed", "7")
    assert struck(table) == 12
    assert sum(table["resumes"].values()) > 0


@pytest.mark.slow
@pytest.mark.xdist_group("runs")
@pytest.mark.timeout(3600)
def test_150_faults_of_every_kind_in_every_gate_lose_nothing_and_change_no_byte(tmp_path: Path) -> None:
    table = campaign(tmp_path, "--injections", "150")
    assert struck(table) >= 150
    assert {kind for kind, counts in table["injections"].items() if any(counts.values())} == set(Kind)
    assert {gate for counts in table["injections"].values() for gate, count in counts.items() if count} == set("abcde")


@pytest.mark.slow
@pytest.mark.xdist_group("runs")
@pytest.mark.timeout(1800)
def test_a_roblox_run_killed_in_b_c_and_d_ends_with_the_bytes_of_an_undisturbed_one(tmp_path: Path) -> None:
    kills = ("worker killed", "both killed", "killed at a file call")
    options = ("--domain", "roblox", "--gates", "BCD", "--injections", "3", "--jobs", "1", "--kinds", *kills)
    table = campaign(tmp_path, *options)
    assert struck(table) == 3
    assert {gate for counts in table["injections"].values() for gate, count in counts.items() if count} == set("bcd")
    assert sum(table["resumes"].values()) > 0


# --- the injector itself: faults that do not strike would prove nothing


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/r/2026-11-20_smoke_3f2a/gate_b/samples.jsonl", "gate_b/samples.jsonl"),
        ("/r/.2026-11-20_smoke_3f2a.new/run.json", "run.json"),
        ("/r/2026-11-20_smoke_3f2a/.report.json.4711-0.tmp", "report.json~"),
        ("/r/2026-11-20_smoke_3f2a/gate_c/checkpoints/.step-000003.77.partial/x", "gate_c/checkpoints/step-000003~/x"),
        ("/r/2026-11-20_smoke_3f2a", "."),
        ("/elsewhere/file", None),
        ("/results/2026-11-20_smoke_3f2a/run.json", None),
    ],
)
def test_a_file_call_is_named_alike_in_every_process(path: str, name: str | None) -> None:
    assert place(path, "/r") == name


def test_an_order_survives_the_environment(tmp_path: Path) -> None:
    order = Order(Point("worker", "write", "a~", 2), Act.CUT_POWER, tmp_path, tmp_path / "f", tmp_path / "s", 700)
    assert order_of(order.to_text()) == order


WRITER = """
import os, sys
sys.path.insert(0, sys.argv[1])
from tests.faults.tapping import tap_this_process
tap_this_process()
from pathlib import Path
from env.files import append_lines, write_atomic
root = Path(os.environ["LUAGATE_RESULTS"])
append_lines(root / "flushed.jsonl", ["first"])
with (root / "flushed.jsonl").open("a") as stream:
    stream.write("not flushed")
(root / "temporary").write_text("new")
os.replace(root / "temporary", root / "replaced.json")
os.unlink(root / "deleted.json")
write_atomic(root / "gate" / "report.json", "whole")
(root / "gate" / "unflushed.txt").write_text("x")
os.mkdir(root / "end")
"""


def write_under(act: Act, point: Point, tmp_path: Path) -> tuple[int, dict[str, str]]:
    """Have ``WRITER`` struck at a call; return its exit status and the files that are left."""
    root = tmp_path / "results"
    for name in ("replaced.json", "deleted.json"):
        write_atomic(root / name, "old")
    order = Order(point, act, root, tmp_path / "fired", tmp_path / "disk")
    done = subprocess.run(
        [sys.executable, "-c", WRITER, str(PROJECT)],
        env={**environment(root), ORDER_VARIABLE: order.to_text()},
        cwd=PROJECT, check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (tmp_path / "fired").exists(), done.stderr
    files = {path.relative_to(root).as_posix(): path.read_text() for path in root.rglob("*") if path.is_file()}
    return done.returncode, files


def test_a_power_cut_takes_what_was_not_flushed_and_nothing_else(tmp_path: Path) -> None:
    code, files = write_under(Act.CUT_POWER, Point("supervisor", "mkdir", "end"), tmp_path)
    assert code == -9
    # make_folder flushed the root's entries, so the replacement and the deletion stand; the new content never was
    assert files == {"flushed.jsonl": "first\n", "replaced.json": "", "gate/report.json": "whole"}


def test_a_power_cut_brings_back_what_was_replaced_or_deleted_without_a_flush_of_the_folder(tmp_path: Path) -> None:
    code, files = write_under(Act.CUT_POWER, Point("supervisor", "mkdir", "gate"), tmp_path)
    assert code == -9
    assert files == {"flushed.jsonl": "first\n", "replaced.json": "old", "deleted.json": "old"}


def test_a_torn_write_leaves_half_of_the_bytes(tmp_path: Path) -> None:
    code, files = write_under(Act.TEAR, Point("supervisor", "write", "flushed.jsonl", 2), tmp_path)
    assert code == -9
    assert files["flushed.jsonl"] == "first\nnot f"


def test_a_full_disk_refuses_the_write_and_the_process_survives_to_say_so(tmp_path: Path) -> None:
    code, files = write_under(Act.FILL_DISK, Point("supervisor", "write", "gate/report.json~"), tmp_path)
    assert code == 1
    assert "gate/report.json" not in files


FLUSHED = [
    ("worker", "mkdir", "gate_c/step~"),
    ("worker", "fsync", "gate_c"),
    ("worker", "open", "gate_c/step~/weights"),
    ("worker", "write", "gate_c/step~/weights"),
    ("worker", "fsync", "gate_c/step~/weights"),
    ("worker", "fsync", "gate_c/step~"),
    ("worker", "rename", "gate_c/step"),
    ("worker", "fsync", "gate_c"),
    ("worker", "open", "gate_c/report.json~"),
    ("worker", "write", "gate_c/report.json~"),
    ("worker", "fsync", "gate_c/report.json~"),
    ("worker", "replace", "gate_c/report.json"),
    ("worker", "fsync", "gate_c"),
    ("supervisor", "write", "events.jsonl"),
]


def test_every_flush_that_is_left_out_is_named_by_what_it_would_have_covered() -> None:
    assert unflushed(FLUSHED) == []
    left_out = {number: unflushed(FLUSHED[:number] + FLUSHED[number + 1 :]) for number in (4, 5, 7, 10, 12)}
    assert left_out == {
        4: ["gate_c/step/weights"],
        5: ["gate_c/step/weights"],
        # the report's own flush of the folder covers the checkpoint's name too
        7: [],
        10: ["gate_c/report.json"],
        12: ["gate_c/report.json"],
    }
