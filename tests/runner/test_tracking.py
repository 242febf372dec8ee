"""Metrics to a tracker: what arrives there, and that a broken one costs a warning and nothing else."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path

import pytest

from env.refusal import Refusal
from eval.records import Metric
from gates.report import GateReport
from runner.advance import trackers as tracking
from runner.advance.trackers import Tracker, open_tracker, require_tracker
from tests.support.runs import SMOKE, Cli, only_run, runner

# in place of the library: its connection breaks at the third step of training
FAILING_WRITER = """
class Writer:
    def __init__(self, folder):
        self.steps = set()
    def add_scalar(self, name, value, step):
        self.steps.add(step)
        if len(self.steps) > 2:
            raise ConnectionError("no route")
    def flush(self): ...
    def close(self): ...
"""
LOG = logging.getLogger("tests.tracking")


def report(*metrics: Metric) -> GateReport:
    return GateReport.model_construct(metrics=list(metrics))


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Return what tensorboard itself reads there: tag -> (step, value)."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder))
    found.Reload()
    return {
        tag: [(event.step, float(event.tensor_proto.float_val[0])) for event in found.Tensors(tag)]
        for tag in found.Tags()["tensors"]
    }


def test_steps_and_metrics_arrive_in_tensorboard(tmp_path: Path) -> None:
    tracker = open_tracker("tensorboard", tmp_path, "c", 1, {"seed": 0}, LOG)
    tracker.step(1, {"loss": 2.5})
    tracker.step(2, {"loss": 1.5})
    tracker.report(report(Metric("pass@5", 40.0, 30.0, 50.0, "%", 60)))
    tracker.close()
    found = scalars(tmp_path / "tracking" / "tensorboard")
    assert found["gate_c/loss"] == [(1, 2.5), (2, 1.5)]
    assert found["gate_c/pass@5"] == [(0, 40.0)]
    assert found["gate_c/pass@5/low"] == [(0, 30.0)]


def test_a_second_attempt_does_not_mix_with_the_first(tmp_path: Path) -> None:
    tracker = open_tracker("tensorboard", tmp_path, "c", 2, {}, LOG)
    tracker.step(1, {"loss": 2.5})
    tracker.close()
    assert list(scalars(tmp_path / "tracking" / "tensorboard")) == ["gate_c.2/loss"]


def test_a_tracker_that_fails_is_warned_about_once_and_called_no_more(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        asked = 0

        def log(self, values: Mapping[str, float], step: int) -> None:
            self.asked += 1
            raise ConnectionError("no route")

        def close(self) -> None:
            raise AssertionError("asked after it failed")

    sink = Broken()
    tracker = Tracker(sink, "gate_c", LOG)
    tracker.step(1, {"loss": 1.0})
    tracker.step(2, {"loss": 1.0})
    tracker.close()
    assert sink.asked == 1
    assert [record.message for record in caplog.records] == ["tracking failed: ConnectionError: no route"]


def test_a_tracker_that_cannot_begin_costs_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "tracking").write_text("in the way")
    tracker = open_tracker("tensorboard", tmp_path, "c", 1, {}, LOG)
    tracker.step(1, {"loss": 1.0})
    assert caplog.records[0].message.startswith("tracking did not start: FileExistsError")
    assert tracker.checks[0].value == caplog.records[0].message


def test_a_library_that_ends_the_process_ends_only_the_tracking() -> None:
    class Quitting:
        def log(self, values: Mapping[str, float], step: int) -> None:
            raise SystemExit("no login")

        def close(self) -> None: ...

    tracker = Tracker(Quitting(), "gate_c", LOG)
    assert tracker.checks == []
    tracker.step(1, {"loss": 1.0})
    [check] = tracker.checks
    assert (check.level, check.ok, check.value) == ("warn", False, "tracking failed: SystemExit: no login")


@pytest.mark.slow
def test_a_tracker_that_fails_in_the_middle_of_training_is_named_and_changes_no_step(results: Path) -> None:
    library = results.parent / "tensorboard" / "summary.py"
    library.parent.mkdir()
    (library.parent / "__init__.py").touch()
    library.write_text(FAILING_WRITER)
    more = {"PYTHONPATH": str(results.parent)}
    done = runner("advance", *SMOKE, "tracker=tensorboard", "--to", "C", results=results, more=more)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "tracking failed: ConnectionError: no route" in done.stdout
    report = json.loads((only_run(results) / "gate_c" / "report.json").read_text())
    assert report["results"]["training"]["steps"] == 6
    assert [check["name"] for check in report["checks"] if not check["ok"]].count("tracker") == 1


def test_a_tracker_without_its_library_is_refused_before_the_run_begins(
    cli: Cli, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking, "find_spec", lambda name: None)
    require_tracker("none")
    with pytest.raises(Refusal, match="not installed"):
        require_tracker("wandb")
    code, printed = cli("new", "profile=smoke", "tracker=wandb")
    assert code == 2
    assert "pip install wandb" in printed
    assert not results.exists()


def test_an_unknown_tracker_is_refused_with_the_choices(cli: Cli) -> None:
    code, printed = cli("new", "profile=smoke", "tracker=tensorbord")
    assert code == 2
    assert "tensorboard" in printed
