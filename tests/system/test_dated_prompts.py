"""A run whose template prints the time asks base and adapter the same, though it is stopped and resumed elsewhere."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

import pytest

from gates import gate_module
from gates.context import StopRequested
from gates.measuring.prompting import read_prompts
from gates.report import write_report
from tests.support.contexts import gate_context
from tests.support.runs import PROJECT, SMOKE, events, only_run, results_of, runner
from tests.support.settings import composed

pytestmark = [pytest.mark.xdist_group("runs"), pytest.mark.timeout(600)]
DATED = (
    "{{ strftime_now('%d %b %Y %H:%M:%S') }}\n{% for m in messages %}### {{ m.role }}\n{{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}### Response:\n{% endif %}"
)


def test_every_gate_reads_the_moment_that_gate_a_recorded(tmp_path: Path) -> None:
    model = Path(shutil.copytree(PROJECT / "training" / "tiny" / "model", tmp_path / "model"))
    (model / "chat_template.jinja").write_text(DATED, encoding="utf-8")
    results = tmp_path / "results"
    east, west = {"TZ": "Pacific/Kiritimati"}, {"TZ": "Pacific/Pago_Pago"}
    begun = runner("advance", "--to", "A", *SMOKE, f"model.path={model}", results=results, more=east)
    assert begun.returncode == 0, begun.stdout
    folder = only_run(results)
    stored = read_prompts(folder)
    prompts = json.loads((folder / "gate_a" / "report.json").read_text())["results"]["probe"]["prompts"]
    # the moment is of a second that is long past when the next gate begins
    assert len({text.splitlines()[0] for text in stored.values()}) == 1
    assert prompts["system"] in next(iter(stored.values()))
    done = runner("advance", "--to", "C", results=results, more=west)
    assert done.returncode == 0, done.stdout
    assert [e["gate"] for e in events(folder) if e["type"] == "gate_passed"] == ["a", "b", "c"]
    shown = runner("samples", "B", "--prompt", "--limit", "1", results=results).stdout
    assert next(iter(stored.values())).splitlines()[0] in shown
    assert "### system" in shown
    # a run of another moment asks other things: it reuses nothing
    again = runner("new", *SMOKE, f"model.path={model}", results=results)
    assert again.returncode == 0, again.stdout
    other = runner("advance", "--to", "B", results=results, more=west)
    assert other.returncode == 0, other.stdout
    assert "reused from" not in other.stdout


# Every prompt opens a thought, which has its own budget.
THINKING = DATED.replace("### Response:\n", "### Response:\n<think>\n")


@pytest.mark.slow
def test_a_run_stopped_on_one_day_and_resumed_on_the_next_is_byte_equal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Path(shutil.copytree(PROJECT / "training" / "tiny" / "model", tmp_path / "model"))
    (model / "chat_template.jinja").write_text(THINKING, encoding="utf-8")
    experiment = composed(
        *SMOKE, f"model.path={model}", "sampling.max_new_tokens=40", "sampling.thinking.max_tokens=12",
        "gate.c.train.max_steps=3", "gate.c.train.checkpoint_every=3",
        "dataset.dev_tasks=4", "dataset.test_tasks=4", "dataset.rows=16", "sampling.samples_per_call=10",
    )  # fmt: skip

    def run(folder: Path, gate: str, day: int, questions: int | None = None) -> None:
        """Run a gate as a worker does on that day of May, until it has asked so often whether to stop."""
        hold_library_clock(monkeypatch, day)
        asked = iter(range(questions or 10**9))
        context = gate_context(folder, experiment, gate)
        context.folder.mkdir(parents=True, exist_ok=True)
        report = gate_module(gate).run(replace(context, should_stop=lambda: next(asked, None) is None))
        write_report(context.folder / "report.json", report)

    begun, whole = tmp_path / "begun", tmp_path / "whole"
    run(begun, "a", day=1)
    shutil.copytree(begun, whole)
    for gate, questions in (("b", 25), ("c", 1)):
        run(whole, gate, day=1)
        with pytest.raises(StopRequested):
            run(begun, gate, day=1, questions=questions)
        assert results_of(begun) != results_of(whole), "it was stopped in the middle"
        run(begun, gate, day=2)
    assert results_of(begun) == results_of(whole)
    assert (begun / "gate_a" / "prompts.jsonl").read_bytes() == (whole / "gate_a" / "prompts.jsonl").read_bytes()
    lines = [json.loads(line) for line in (whole / "gate_b" / "samples.jsonl").read_text().splitlines()]
    assert {line["completion"]["thought"]["cut"] for line in lines} >= {True}
    assert all(line["completion"]["text"].startswith("<think>\n") for line in lines)
    told = json.loads((whole / "gate_b" / "report.json").read_text())
    assert next(check for check in told["checks"] if check["name"] == "thoughts finish")["value"].startswith(
        f"{sum(line['completion']['thought']['cut'] for line in lines)} of {len(lines)} closed by force at 12 tokens"
    )


def hold_library_clock(monkeypatch: pytest.MonkeyPatch, day: int) -> None:
    """Let the clock that transformers hands to templates show that day of May."""
    from transformers.utils import chat_template_utils

    class Faked(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return datetime(2026, 5, day, 12)

    monkeypatch.setattr(chat_template_utils, "datetime", Faked)
