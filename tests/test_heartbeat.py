"""The heartbeat tells progress, rate and age, and neither clock jumps nor damage mislead it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from env import heartbeat
from env.heartbeat import Heartbeat, Pulse, age_s, read_heartbeat


@dataclass
class Clock:
    now_s: float = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def beat(tmp_path: Path, clock: Clock) -> Heartbeat:
    return Heartbeat(tmp_path / "heartbeat.json", "b", clock_s=clock, wall_s=lambda: 1.8e9)


def read(beat: Heartbeat) -> Pulse:
    pulse = read_heartbeat(beat.path)
    assert pulse is not None
    return pulse


def test_a_pulse_comes_back_as_written(beat: Heartbeat, clock: Clock) -> None:
    clock.now_s += 5
    assert beat.beat("sampling", 3, 10, "units", "task a")
    pulse = read(beat)
    assert (pulse.gate, pulse.phase, pulse.done, pulse.total, pulse.unit, pulse.message) == (
        "b", "sampling", 3, 10, "units", "task a",
    )  # fmt: skip
    assert (pulse.elapsed_s, pulse.at, pulse.ticks_s) == (5.0, 1.8e9, 1005.0)
    assert pulse.rss_mb > 1
    assert pulse.rate is None
    assert pulse.eta_s is None


def test_pulses_within_a_second_are_skipped(beat: Heartbeat, clock: Clock) -> None:
    written = []
    for done in range(30):
        written.append(beat.beat("sampling", done, 100))
        clock.now_s += 0.25
    assert [done for done, was in enumerate(written) if was] == [0, 4, 8, 12, 16, 20, 24, 28]


def test_a_new_phase_and_the_last_unit_are_written_at_once(beat: Heartbeat) -> None:
    assert beat.beat("loading")
    assert beat.beat("sampling", 0, 10)
    assert not beat.beat("sampling", 9, 10)
    assert beat.beat("sampling", 10, 10)
    assert read(beat).done == 10


def test_rate_and_eta_come_from_this_phase_not_from_what_was_done_before_a_resume(
    beat: Heartbeat, clock: Clock
) -> None:
    beat.beat("loading", 0, 1)
    clock.now_s += 100
    beat.beat("sampling", 500, 1000, "units")
    clock.now_s += 10
    beat.beat("sampling", 600, 1000, "units")
    pulse = read(beat)
    assert (pulse.rate, pulse.eta_s) == (10.0, 40.0)


def test_a_stall_shows_as_rate_zero_and_no_eta(beat: Heartbeat, clock: Clock) -> None:
    beat.beat("sampling", 5, 10)
    clock.now_s += 30
    beat.beat("sampling", 5, 10)
    assert (read(beat).rate, read(beat).eta_s) == (0.0, None)


def test_setting_the_wall_clock_does_not_age_a_live_pulse(beat: Heartbeat, clock: Clock) -> None:
    beat.beat("sampling")
    clock.now_s += 2
    assert age_s(read(beat), clock_s=clock, wall_s=lambda: 1.8e9 + 86400) == 2.0


def test_another_boots_ticks_are_not_compared_with_ours(beat: Heartbeat, clock: Clock) -> None:
    beat.beat("sampling")
    foreign = replace(read(beat), clock="monotonic@another-boot")
    clock.now_s = 3.0
    assert age_s(foreign, clock_s=clock, wall_s=lambda: 1.8e9 + 50) == 50.0


def test_an_age_is_never_negative(beat: Heartbeat, clock: Clock) -> None:
    beat.beat("sampling")
    assert age_s(replace(read(beat), clock=""), clock_s=clock, wall_s=lambda: 1.8e9 - 50) == 0.0


def test_without_a_boot_id_the_wall_clock_decides(
    beat: Heartbeat, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "clock_name", lambda: "")
    beat.beat("sampling")
    assert age_s(read(beat), clock_s=lambda: 0.0, wall_s=lambda: 1.8e9 + 7) == 7.0


@pytest.mark.parametrize("content", [None, "", "{", "[]", "{}", '"x"'])
def test_a_missing_or_damaged_heartbeat_is_none_not_an_error(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "heartbeat.json"
    if content is not None:
        path.write_text(content)
    assert read_heartbeat(path) is None


def test_a_pulse_of_a_newer_version_with_more_fields_is_still_read(beat: Heartbeat) -> None:
    beat.beat("sampling", 1, 2)
    data = json.loads(beat.path.read_text()) | {"gpu_mb": 1}
    beat.path.write_text(json.dumps(data))
    assert read(beat).done == 1
