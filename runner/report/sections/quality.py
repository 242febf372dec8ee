"""The judged quality of a report: what an LLM judge said of the decision's passed answers, where one was asked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from env.files import sha256_file
from eval.judge.calibration import Figures, number
from gates.judging import QUALITY_FILE
from runner.report.data import Interval, Judged
from runner.views.artifacts import Artifacts


def read_quality(found: Artifacts) -> tuple[Judged | None, str]:
    """Return what the judge said, and why that is not shown; (None, "") where none was asked.

    Raises:
        ValueError, KeyError, TypeError: the file has not the expected shape.
    """
    path, decision = found.run.folder / QUALITY_FILE, found.run.gate_folder("e") / "report.json"
    if not path.is_file():
        return None, ""
    data = json.loads(path.read_text(encoding="utf-8"))
    if not decision.is_file() or data["decision"] != sha256_file(decision):
        return None, "the grades are of an earlier decision of this run."
    base, adapter, gain = (_interval(name, data[name]) for name in ("base", "adapter", "gain"))
    why, is_waived = _standing(data)
    return Judged(data["judge"]["model"], base, adapter, gain, data["both"], data["same"], why, is_waived), ""


def _interval(label: str, told: Mapping[str, Any]) -> Interval:
    return Interval(label, told["value"], told["low"], told["high"], "", told["n"], clusters=told["clusters"])


def _standing(data: Mapping[str, Any]) -> tuple[str, bool]:
    calibration = data["calibration"]
    if data["waiver"]:
        state = "was not calibrated" if calibration is None else "was not admitted by its calibration"
        return f"The judge {state}; its grades are shown because: {data['waiver']}", True
    figures = Figures(**calibration["figures"])
    return (
        f"Calibrated on {figures.graded} executed answers to training tasks: balanced accuracy "
        f"{number(figures.balanced_accuracy)}, at least {number(figures.lower)}; area under ROC {number(figures.auc)}, "
        f"correlation with length {number(figures.length_correlation)}, agreement when asked again "
        f"{number(figures.repeat_agreement)}.",
        False,
    )
