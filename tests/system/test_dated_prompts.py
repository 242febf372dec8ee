"""A run whose template prints the time asks base and adapter the same, though it is stopped and resumed elsewhere."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from gates.measuring.prompting import read_prompts
from tests.support.runs import PROJECT, SMOKE, events, only_run, runner

pytestmark = pytest.mark.timeout(600)
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
