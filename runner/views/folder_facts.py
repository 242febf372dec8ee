"""What a run folder shows at a glance besides its journal: its subject, what is safe, why a gate said no."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from env.counts import counted
from env.heartbeat import Pulse
from gates import stores
from runner.runs.plain_config import subject_of
from runner.views.wording import duration_text


def subject(folder: Path) -> str:
    """Return 'base-2m · luanti_mini' from the resolved config; '' where it cannot be read."""
    return subject_of(_config(folder))


def is_smoke(folder: Path) -> bool:
    """Whether a run's configuration says that it is too small to decide anything."""
    return _config(folder).get("smoke") is True


def _config(folder: Path) -> dict[str, Any]:
    """Return the resolved configuration as plain data, of whatever version; {} where it cannot be read."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        config = yaml.load((folder / "config.yaml").read_text(encoding="utf-8"), Loader=loader)
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return config if isinstance(config, dict) else {}


def safe_work(folder: Path, gate: str) -> str:
    """Return what is stored of an unfinished gate's work: 'checkpoint step-000800', '1,240 samples'; '' for none."""
    gate_folder = folder / f"gate_{gate}"
    if stores(gate, "checkpoints"):
        if rounds := _rounds_work(gate_folder):
            return rounds
        step = newest_checkpoint(gate_folder)
        return f"checkpoint step-{step:06d}" if step else ""
    by_cell = stores(gate, "cells")
    files = sorted(gate_folder.glob("cells/*/samples.jsonl")) if by_cell else [gate_folder / "samples.jsonl"]
    number = sum(_lines(file) for file in files)
    cells = f" of {counted(len(files), 'cell')}" if by_cell and number else ""
    return counted(number, "sample") + cells if number else ""


def newest_checkpoint(gate_folder: Path) -> int:
    """Return the step of the newest finished checkpoint by its mark alone (no digest is verified); 0 without one."""
    marks = training_folder(gate_folder).glob("checkpoints/step-*/CHECKPOINT.json")
    steps = [int(step) for mark in marks if (step := mark.parent.name.removeprefix("step-")).isdigit()]
    return max(steps, default=0)


def training_folder(gate_folder: Path) -> Path:
    """Return where a gate keeps the metrics and checkpoints of the training that it was at last."""
    trained = [path for path in gate_folder.glob("rounds/**/metrics.jsonl") if "checkpoints" not in path.parts]
    return max(trained, key=lambda path: path.stat().st_mtime_ns).parent if trained else gate_folder


def _rounds_work(gate_folder: Path) -> str:
    """Return what rounds of rejection sampling have stored: 'round 1: 1,240 answers, 3 checkpoints'; '' for none."""
    rounds = sorted((path for path in gate_folder.glob("rounds/*") if path.name.isdigit()), key=lambda p: int(p.name))
    if not rounds:
        return ""
    answers = sum(_lines(folder / "draws.jsonl") for folder in rounds)
    kept = sum(1 for folder in rounds for _ in folder.glob("**/step-*/CHECKPOINT.json"))
    return f"round {rounds[-1].name}: {counted(answers, 'answer')}, {counted(kept, 'checkpoint')}"


def resumes(folder: Path, gate: str) -> str:
    """Return what the next advance does first, such as 'resumes at step 800' or 'starts over: no checkpoint yet'."""
    if stores(gate, "checkpoints"):
        if rounds := _rounds_work(folder / f"gate_{gate}"):
            return f"resumes in {rounds}"
        step = newest_checkpoint(folder / f"gate_{gate}")
        return f"resumes at step {step}" if step else "starts over: no checkpoint yet"
    stored = safe_work(folder, gate)
    return f"resumes with {stored} stored" if stored else "starts over: nothing was stored yet"


def stops_after(gate: str, pulse: Pulse | None) -> str:
    """Return what a requested stop waits for: 'the present decoding step; every finished sample is stored'."""
    if pulse is None or pulse.gate != gate or not pulse.total:
        doing = pulse.phase if pulse is not None and pulse.gate == gate else "starting"
        return f"{doing}; nothing that is stored is lost"
    if pulse.unit == "steps":
        each = f" (about {duration_text(1 / pulse.rate)})" if pulse.rate else ""
        return f"the present training step{each}; a checkpoint is saved"
    return "the present decoding step; every finished sample is verified and stored"


def lost_work(folder: Path, gate: str, pulse: Pulse | None) -> str:
    """Return what stopping ``gate`` at once loses, as of its last pulse; "" where nothing that is known of."""
    if pulse is None or pulse.gate != gate:
        return ""
    if pulse.unit == "steps":
        first = newest_checkpoint(folder / f"gate_{gate}") + 1
        return f"training steps {first:,} to {pulse.done:,}" if pulse.done >= first else ""
    if not pulse.tokens_unstored:
        return ""
    took = f", about {duration_text(pulse.tokens_unstored / pulse.tokens_per_s)} of work" if pulse.tokens_per_s else ""
    return f"{counted(pulse.tokens_unstored, 'token')} of samples that were not stored yet{took}"


def reasons(folder: Path, gate: str) -> list[str]:
    """Return why a gate said no, by its report; [] where there is no readable report."""
    try:
        report: Any = json.loads((folder / f"gate_{gate}" / "report.json").read_text(encoding="utf-8"))
        return [str(reason) for reason in report["reasons"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _lines(path: Path) -> int:
    try:
        with path.open("rb") as stream:
            return sum(block.count(b"\n") for block in iter(lambda: stream.read(1 << 20), b""))
    except OSError:
        return 0
