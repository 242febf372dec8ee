"""Whatever strikes a run, and whenever, nothing is lost and no byte of its results differs (tests/faults)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.faults.campaign import GATES, carry_out
from tests.faults.order import Point, place
from tests.faults.plan import Kind, Survey, draw, quotas
from tests.faults.power import DurableImage
from tests.faults.table import is_clean, lines, summary

runs = [pytest.mark.xdist_group("runs"), pytest.mark.timeout(3000)]
# Those that take no more than one start of a process each, and together the whole of the machinery.
QUICK = (Kind.KILL_AT_CALL, Kind.TEAR, Kind.CUT_POWER, Kind.FILL_DISK, Kind.KILL_BOTH)


def campaign(folder: Path, count: int, kinds: tuple[Kind, ...], jobs: int) -> dict[str, Any]:
    _, found = carry_out(folder, count, GATES, kinds, seed=7, jobs=jobs)
    table = summary(found)
    print("\n".join(lines(table)))
    return table


@pytest.mark.xdist_group("runs")
@pytest.mark.timeout(1200)
def test_a_dozen_faults_between_gates_a_and_e_lose_nothing_and_change_no_byte(tmp_path: Path) -> None:
    table = campaign(tmp_path, 12, QUICK, jobs=1)
    assert is_clean(table), "\n".join(lines(table))
    assert sum(sum(counts.values()) for counts in table["injections"].values()) >= 12


@pytest.mark.slow
@pytest.mark.xdist_group("runs")
@pytest.mark.timeout(3600)
def test_150_faults_of_every_kind_in_every_gate_lose_nothing_and_change_no_byte(tmp_path: Path) -> None:
    table = campaign(tmp_path, 150, tuple(Kind), jobs=2)
    assert is_clean(table), "\n".join(lines(table))
    struck = {gate for counts in table["injections"].values() for gate, count in counts.items() if count}
    assert struck == set(GATES)
    assert {kind for kind, counts in table["injections"].items() if any(counts.values())} == set(Kind)
    assert sum(sum(counts.values()) for counts in table["injections"].values()) >= 150
