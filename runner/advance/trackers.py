"""Metrics to a tracker of the user's choice, beside the artifacts: never needed, and never able to harm a run.

One tracker run represents one run folder; a resumed gate continues it, a new attempt writes under its own prefix.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from env.checks import Check, warn
from env.refusal import Refusal
from gates.report import GateReport

PROJECT_NAME = "luagate"
# name in the configuration -> the module to import, and its package on pip
_LIBRARIES = {
    "tensorboard": ("tensorboard", "tensorboard"),
    "wandb": ("wandb", "wandb"),
    "mlflow": ("mlflow", "mlflow"),
    "trackio": ("trackio", "trackio"),
}


class Sink(Protocol):
    """What a tracker's library must do."""

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Record numbers by name at a step."""
        ...

    def close(self) -> None:
        """Send what is still buffered."""
        ...


class Tracker:
    """A tracker that may fail: the first failure is logged, kept for the gate's report, and ends only the tracking."""

    def __init__(self, sink: Sink | None, prefix: str, log: logging.Logger, failure: str = "") -> None:
        self._sink = sink
        self._prefix = prefix
        self._log = log
        self.failure = failure

    @property
    def checks(self) -> list[Check]:
        """The warning in the gate's report where the tracker failed; [] where it did not."""
        if not self.failure:
            return []
        return [
            warn(
                "tracker",
                self.failure,
                "every step and metric sent",
                "The run continues without it: metrics.jsonl and the report hold every number.",
                "Fix what it names; the next gate tries again.",
            )
        ]

    def step(self, step: int, values: Mapping[str, float]) -> None:
        """Pass on the numbers of one training step."""
        self._ask(lambda sink: sink.log({f"{self._prefix}/{name}": value for name, value in values.items()}, step))

    def report(self, report: GateReport) -> None:
        """Pass on a gate's metrics: each value with its interval's ends."""
        values = {
            f"{self._prefix}/{metric.name}{end}": float(value)
            for metric in report.metrics
            for end, value in (("", metric.value), ("/low", metric.low), ("/high", metric.high))
            if value is not None
        }
        # the gates' numbers come after the last training step, as trackers require rising steps
        self._ask(lambda sink: sink.log(values, _AFTER_TRAINING) if values else None)

    def close(self) -> None:
        """Finish the tracker."""
        self._ask(lambda sink: sink.close())

    def _ask(self, action: Callable[[Sink], None]) -> None:
        if self._sink is None:
            return
        try:
            action(self._sink)
        except (Exception, SystemExit) as error:  # a tracker's library raises whatever its network does
            self.failure = f"tracking failed: {_said(error)}"
            self._log.warning(self.failure)
            self._sink = None


_AFTER_TRAINING = 10**9
# of a library's message: some of them are whole pages
_SHOWN_CHARACTERS = 300


def require_tracker(name: str) -> None:
    """Raise Refusal when the library of tracker ``name`` is not installed; "none" needs none."""
    if name == "none":
        return
    module, package = _LIBRARIES[name]
    if find_spec(module) is None:
        raise Refusal(f"tracker = {name!r} needs a library that is not installed.", f"pip install {package}")


def open_tracker(
    name: str, run_folder: Path, gate: str, attempt: int, config: Mapping[str, Any], log: logging.Logger
) -> Tracker:
    """Return the tracker ``name`` for one gate of a run; its local files are in ``run_folder``/tracking.

    A library that cannot start (no network, no login) is logged, and the gate continues without it.
    """
    prefix = f"gate_{gate}" if attempt == 1 else f"gate_{gate}.{attempt}"
    if name == "none":
        return Tracker(None, prefix, log)
    folder = run_folder / "tracking"
    try:
        folder.mkdir(exist_ok=True)
        return Tracker(_SINKS[name](folder, run_folder.name, config), prefix, log)
    except (Exception, SystemExit) as error:  # as above
        failure = f"tracking did not start: {_said(error)}"
        log.warning(failure)
        return Tracker(None, prefix, log, failure)


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:_SHOWN_CHARACTERS]}"


class _TensorBoard:
    def __init__(self, folder: Path, run: str, config: Mapping[str, Any]) -> None:
        from tensorboard.summary import Writer

        del run, config
        self._writer = Writer(str(folder / "tensorboard"))

    def log(self, values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, 0 if step == _AFTER_TRAINING else step)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


class _Wandb:
    def __init__(self, folder: Path, run: str, config: Mapping[str, Any]) -> None:
        import wandb

        self._run = wandb.init(
            project=PROJECT_NAME, id=run, name=run, dir=str(folder), config=dict(config), resume="allow"
        )
        # every gate has its own step counter: the library's own step must never go back
        self._run.define_metric("*", step_metric="step")

    def log(self, values: Mapping[str, float], step: int) -> None:
        self._run.log({**values, **({} if step == _AFTER_TRAINING else {"step": step})})

    def close(self) -> None:
        self._run.finish()


class _Mlflow:
    def __init__(self, folder: Path, run: str, config: Mapping[str, Any]) -> None:
        import os

        import mlflow

        if not os.environ.get("MLFLOW_TRACKING_URI"):
            mlflow.set_tracking_uri(f"sqlite:///{(folder / 'mlflow.db').resolve()}")
        mlflow.set_experiment(PROJECT_NAME)
        self._library = mlflow
        known = mlflow.search_runs(filter_string=f"tags.luagate_run = '{run}'", output_format="list")
        if known:
            mlflow.start_run(run_id=known[0].info.run_id)
        else:
            mlflow.start_run(run_name=run, tags={"luagate_run": run})
            # values too long for a parameter are kept in the artifact
            mlflow.log_params({key: str(value)[:250] for key, value in config.items()})

    def log(self, values: Mapping[str, float], step: int) -> None:
        self._library.log_metrics(
            {name.replace("@", "_at_"): value for name, value in values.items()},
            step=None if step == _AFTER_TRAINING else step,
        )

    def close(self) -> None:
        self._library.end_run()


class _Trackio:
    def __init__(self, folder: Path, run: str, config: Mapping[str, Any]) -> None:
        import trackio

        del folder
        self._library = trackio
        trackio.init(project=PROJECT_NAME, name=run, config=dict(config), resume="allow", embed=False)

    def log(self, values: Mapping[str, float], step: int) -> None:
        self._library.log(dict(values), step=None if step == _AFTER_TRAINING else step)

    def close(self) -> None:
        self._library.finish()


_SINKS: dict[str, Callable[[Path, str, Mapping[str, Any]], Sink]] = {
    "tensorboard": _TensorBoard,
    "wandb": _Wandb,
    "mlflow": _Mlflow,
    "trackio": _Trackio,
}
