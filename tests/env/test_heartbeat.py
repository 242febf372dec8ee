"""The heartbeat tells progress, rate and age, and neither clock jumps nor damage mislead it."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from env import files, heartbeat
from env.heartbeat import Heartbeat, Pulse, TokenCount, age_s, clock_gap_s, read_heartbeat
from env.machine.gpus import GpuUse, parse_gpu_use
from env.refusal import Refusal


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


def test_tokens_tell_the_pace_and_the_time_left_while_no_sample_is_counted(beat: Heartbeat, clock: Clock) -> None:
    beat.beat("sampling", 0, 100, "samples", tokens=TokenCount(0, 9000, 0))
    clock.now_s += 10
    beat.beat("sampling", 0, 100, "samples", tokens=TokenCount(3000, 6000, 3000))
    pulse = read(beat)
    assert (pulse.tokens, pulse.tokens_per_s, pulse.tokens_unstored) == (3000, 300.0, 3000)
    assert pulse.eta_s == 20.0
    assert pulse.idle_s == 0.0, "tokens are progress"
    clock.now_s += 10
    beat.beat("sampling", 0, 100, "samples", tokens=TokenCount(3000, 6000, 3000))
    assert read(beat).idle_s == 10.0
    # another cell of the sweep begins to count anew
    clock.now_s += 10
    beat.beat("sampling", 10, 100, "samples", tokens=TokenCount(50, 5000, 50))
    assert read(beat).tokens_per_s is None


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


def test_a_count_that_restarts_in_the_same_phase_has_a_rate_of_its_own(beat: Heartbeat, clock: Clock) -> None:
    for done in (80, 90, 0):
        beat.beat("sampling", done, 100)
        clock.now_s += 10
    assert read(beat).rate is None
    beat.beat("sampling", 5, 100)
    assert (read(beat).rate, read(beat).eta_s) == (0.5, 190.0)


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


# --- alive is not the same as getting on


def test_a_silent_phase_still_pulses_and_says_for_how_long_nothing_was_counted(tmp_path: Path) -> None:
    beat = Heartbeat(tmp_path / "heartbeat.json", "c")
    beat.beat("loading model")
    first = read(beat)
    with beat.kept_alive(interval_s=0.05):
        until = time.monotonic() + 30
        while (now := read(beat)).idle_s < 0.3 and time.monotonic() < until:
            time.sleep(0.02)
    assert now.ticks_s > first.ticks_s, "the process lives"
    assert now.idle_s >= 0.3, "but nothing moved"
    assert now.phase_s == now.idle_s
    assert (now.phase, now.rate) == ("loading model", None)


def test_counts_that_were_too_soon_to_be_written_are_progress_all_the_same(beat: Heartbeat, clock: Clock) -> None:
    beat.beat("sampling", 1, 100)
    clock.now_s += 0.5
    assert not beat.beat("sampling", 2, 100)
    clock.now_s += 10
    beat.beat("sampling", 2, 100)
    assert (read(beat).idle_s, read(beat).phase_s) == (10.0, 10.5)


def test_a_new_phase_starts_both_clocks_again(beat: Heartbeat, clock: Clock) -> None:
    beat.beat("loading model")
    clock.now_s += 30
    beat.beat("sampling", 0, 10)
    assert (read(beat).idle_s, read(beat).phase_s) == (0.0, 0.0)


def test_a_rate_says_over_how_long_it_was_taken(beat: Heartbeat, clock: Clock) -> None:
    for done in range(0, 40, 10):
        beat.beat("training", done, 100, "steps")
        clock.now_s += 60
    assert (read(beat).rate, read(beat).rate_over_s) == (10 / 60, 180.0)


def test_pulses_continue_while_the_driver_of_a_gpu_hangs_and_a_gate_ends_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()
    monkeypatch.setattr(heartbeat, "gpu_use", lambda: released.wait(600) and None)
    beat = Heartbeat(tmp_path / "heartbeat.json", "c")
    # to wait for the driver would take until the test's time is up
    with beat.kept_alive(interval_s=0.05):
        assert beat.beat("training", 1, 2)
    released.set()


def test_a_disk_that_takes_no_pulse_ends_neither_thread_nor_gate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full, tried = threading.Event(), threading.Event()
    write = files.write_atomic

    def written(path: Path, content: str) -> None:
        if full.is_set():
            tried.set()
            raise Refusal("The disk is full.")
        write(path, content)

    monkeypatch.setattr(heartbeat, "write_atomic", written)
    beat = Heartbeat(tmp_path / "heartbeat.json", "c")
    beat.beat("loading model")
    with beat.kept_alive(interval_s=0.02):
        full.set()
        assert tried.wait(30)
        full.clear()
        last_s, until = read(beat).ticks_s, time.monotonic() + 30
        while read(beat).ticks_s == last_s and time.monotonic() < until:
            time.sleep(0.02)
    assert read(beat).ticks_s > last_s, "the thread went on"


def test_a_pulse_of_an_older_version_with_fewer_fields_is_still_read(beat: Heartbeat) -> None:
    beat.beat("sampling", 1, 2)
    data = json.loads(beat.path.read_text())
    for name in ("idle_s", "phase_s", "tmux", "supervisor_pid", "gpu_total_gb", "rate_over_s"):
        del data[name]
    beat.path.write_text(json.dumps(data))
    assert (read(beat).done, read(beat).idle_s, read(beat).supervisor_pid) == (1, 0.0, 0)


# --- clocks


def test_a_clock_that_was_set_is_reported_with_its_direction(beat: Heartbeat, clock: Clock) -> None:
    beat.beat("sampling")
    clock.now_s += 2
    assert clock_gap_s(read(beat), clock_s=clock, wall_s=lambda: 1.8e9 + 2) == 0.0
    assert clock_gap_s(read(beat), clock_s=clock, wall_s=lambda: 1.8e9 + 2 - 3600) == -3600.0
    assert clock_gap_s(read(beat), clock_s=clock, wall_s=lambda: 1.8e9 + 2 + 3600) == 3600.0


def test_of_another_machine_only_a_pulse_from_the_future_betrays_the_clock(beat: Heartbeat, clock: Clock) -> None:
    beat.beat("sampling")
    foreign = replace(read(beat), clock="monotonic@another-boot")
    assert clock_gap_s(foreign, clock_s=clock, wall_s=lambda: 1.8e9 - 60) == -60.0
    assert clock_gap_s(foreign, clock_s=clock, wall_s=lambda: 1.8e9 + 60) == 0.0


# --- GPUs


def test_what_the_gpus_do_is_summed_and_the_busiest_counts() -> None:
    use = parse_gpu_use("1024, 24576, 12\n2048, 24576, 93\n")
    assert use == GpuUse(used_gb=3.22, total_gb=51.54, busy_pct=93.0)


def test_a_gpu_that_reports_no_load_is_not_called_idle() -> None:
    assert parse_gpu_use("1024, 24576, [N/A]\n") == GpuUse(used_gb=1.07, total_gb=25.77, busy_pct=None)
    assert parse_gpu_use("No devices were found\n") is None
