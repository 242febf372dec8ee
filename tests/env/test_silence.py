"""A command that works for long says so: what it does, how far it is, for how long; a short one says nothing."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable

import pytest

from env import silence
from env.silence import Work, hand_over, reach, repeating, told, turn_to


def waited_for(is_so: Callable[[], bool]) -> bool:
    until = time.monotonic() + 20
    while not is_so() and time.monotonic() < until:
        time.sleep(0.01)
    return is_so()


def stuck(released: threading.Event) -> None:
    released.wait(600)  # longer than a test may take


def test_long_work_tells_its_part_its_count_and_for_how_long() -> None:
    now = [100.0]
    stream = io.StringIO()
    work = Work("reading", stream, lambda: now[0])
    now[0] += 8
    work.tell()
    work.turn_to("verifying")
    work.reach(1200, 4000, "programs")
    now[0] += 15
    work.tell()
    assert stream.getvalue() == "still reading, for 8 s\nstill verifying, 1,200 of 4,000 programs, for 15 s\n"


def test_what_is_told_follows_the_part_wherever_it_is_named() -> None:
    stream = io.StringIO()
    with told("starting", stream, interval_s=0.01):
        assert waited_for(lambda: "still starting, for 0 s" in stream.getvalue())
        turn_to("loading the weights")
        reach(1, 2, "files")
        assert waited_for(lambda: "still loading the weights, 1 of 2 files, for 0 s" in stream.getvalue())


def test_short_work_says_nothing_and_ended_work_no_more() -> None:
    stream = io.StringIO()
    with told("starting", stream):
        pass
    with told("starting", stream, interval_s=0.01):
        hand_over()
        said = stream.getvalue()
        time.sleep(0.05)
    time.sleep(0.05)
    assert len(stream.getvalue()) - len(said) <= len("still starting, for 0 s\n"), "at most the line under way"
    turn_to("nobody is told")


def test_a_reader_that_went_away_does_not_end_the_work() -> None:
    stream = io.StringIO()
    stream.close()
    work = Work("reading", stream)
    work.tell()
    assert stream.closed, "nothing opened it again"


def test_no_silence_lasts_ten_seconds() -> None:
    assert silence.INTERVAL_S < 10


def test_what_hangs_in_the_thread_does_not_keep_the_block_from_ending() -> None:
    released = threading.Event()
    with repeating(lambda: stuck(released), 0.01):
        time.sleep(0.05)
    assert not released.is_set(), "the block ended while the thread still hung"
    released.set()


def test_an_error_inside_the_block_comes_out_and_ends_the_telling() -> None:
    stream = io.StringIO()
    with pytest.raises(KeyboardInterrupt), told("starting", stream, interval_s=0.01):
        raise KeyboardInterrupt
    said = stream.getvalue()
    time.sleep(0.05)
    assert stream.getvalue() == said
