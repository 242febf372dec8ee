"""What a gate is given by its worker, for tests that call it without one."""

from __future__ import annotations

import logging
from pathlib import Path

from gates.context import GateContext
from gates.settings import Experiment


def gate_context(folder: Path, experiment: Experiment, gate: str) -> GateContext:
    """Return the context of a gate's first attempt in the run ``folder``; progress is dropped, nobody asks it to stop."""
    return GateContext(
        run_dir=folder,
        experiment=experiment,
        gate=gate,
        attempt=1,
        started_at="2026-01-01T00:00:00+00:00",
        elapsed_before_s=0.0,
        inputs={},
        on_progress=lambda progress: None,
        should_stop=lambda: False,
        log=logging.getLogger("test"),
    )
