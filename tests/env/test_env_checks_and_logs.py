"""Checks say what a miss means; a gate's log file keeps warnings and the traceback of a crash."""

from __future__ import annotations

import logging
import re
import warnings
from dataclasses import replace
from pathlib import Path

import pydantic
import pytest

from env.checks import Check, block, blocking, fact, judged, ok, warn
from env.logs import file_log, log_path
from env.refusal import Refusal


def test_only_an_unwaived_blocking_miss_stops_a_gate() -> None:
    miss = block("disk", "1 GB", "≥ 5 GB", "the run writes 3 GB", "free some")
    checks = [miss, warn("ram", "1", "2", "slow"), fact("python", 3), ok("gpu", "H200"), replace(miss, waived="yes")]
    assert blocking(checks) == (miss,)


def test_a_check_that_held_carries_neither_reason_nor_fix() -> None:
    held = judged("disk", "block", True, "9 GB", "≥ 5 GB", reason="too small", fix="free some")
    assert (held.reason, held.fix) == ("", "")


def test_evidence_is_cut_at_200_items() -> None:
    assert len(block("x", 1, "0", "r", "f", evidence=[str(i) for i in range(999)]).evidence) == 200


def test_a_check_survives_the_way_into_a_report_and_back() -> None:
    adapter = pydantic.TypeAdapter(Check)
    check = block("x", 1, "0", "r", "f", ["e"])
    assert adapter.validate_json(adapter.dump_json(check)) == check


def test_a_gates_log_keeps_messages_warnings_and_the_traceback(tmp_path: Path) -> None:
    path = log_path(tmp_path, "c")

    def crash() -> None:
        with file_log(path):
            logging.getLogger("training").info("step 1")
            warnings.warn("careful", stacklevel=1)
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError):
        crash()
    text = path.read_text()
    assert re.search(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ INFO    training: step 1$", text, re.MULTILINE)
    assert "careful" in text
    assert "Traceback" in text
    assert 'raise RuntimeError("boom")' in text


def test_a_second_attempt_appends_to_the_log_and_nothing_is_logged_after_it(tmp_path: Path) -> None:
    path = tmp_path / "gate_a.log"
    handlers = list(logging.getLogger().handlers)
    for attempt in (1, 2):
        with file_log(path):
            logging.warning("attempt %d", attempt)
    logging.warning("later")
    text = path.read_text()
    assert [line[-9:] for line in text.splitlines()] == ["attempt 1", "attempt 2"]
    assert logging.getLogger().handlers == handlers


def test_a_log_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("in the way")
    with pytest.raises(Refusal, match="there is a file where a folder should be"), file_log(log_path(tmp_path, "a")):
        pass
