"""Artifacts of another version are read, or refused with the way on; none is ever misread."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from env.heartbeat import read_heartbeat
from env.refusal import Refusal
from eval.decision.rule import read_rule
from eval.pipeline.stored_samples import read_samples
from gates.report import GateReport, read_report, write_report
from gates.report.results import DecisionResults
from runner.report import build
from runner.runs.config import read_config
from runner.runs.folder import Run, read_info
from runner.runs.journal import EventType, Journal, event_line
from runner.validity.freshness import read_inputs
from runner.views.artifacts import read_artifacts
from runner.views.run_view import view_run
from tests.support.run_edits import edit_json
from tests.support.run_factory import make_run
from tests.support.runs import PROJECT, Cli
from tests.support.story import Story
from training.checkpoints import read_manifest, save_checkpoint

# Lines as version 0.1.0 wrote them, before events had a checksum and reports a source.
OLD_EVENTS = """\
{"seq": 1, "at": "2026-11-20T22:09:01+00:00", "type": "run_created", "gate": "", "data": {"profile": "smoke"}}
{"seq": 2, "at": "2026-11-20T22:09:02+00:00", "type": "gate_started", "gate": "a", "data": {"attempt": 1, \
"first_started_at": "2026-11-20T22:09:02+00:00", "elapsed_before_s": 0.0}}
{"seq": 3, "at": "2026-11-20T22:09:11+00:00", "type": "gate_passed", "gate": "a", "data": {"headline": "40 checks", \
"seconds": 8.5, "reasons": [], "attempt": 1, "report_sha256": "SHA"}}
"""
OLD_REPORT = {
    "schema_version": 1,
    "gate": "a",
    "title": "environment",
    "status": "passed",
    "headline": "40 checks",
    "reasons": [],
    "attempt": 1,
    "started_at": "2026-11-20T22:09:02+00:00",
    "finished_at": "2026-11-20T22:09:11+00:00",
    "seconds": 8.5,
    "checks": [],
    "metrics": [],
    "tables": {},
    "inputs": {"config.seed": "ab" * 32},
    "artifacts": [],
    "choices": {},
    "versions": {"python": "3.11.2", "luagate": "0.1.0"},
}
OLD_PULSE = {
    "pid": 7, "host": "h", "gate": "b", "phase": "sampling", "done": 1, "total": 2, "unit": "samples", "rate": None,
    "eta_s": None, "rss_mb": 1.0, "message": "", "at": 0.0, "ticks_s": 0.0, "clock": "", "elapsed_s": 0.0,
}  # fmt: skip


@pytest.fixture
def old(results: Path) -> Path:
    """A run folder as version 0.1.0 left it after Gate A."""
    folder = results / "2026-11-20_smoke_0a1b"
    (folder / "gate_a").mkdir(parents=True)
    report = folder / "gate_a" / "report.json"
    report.write_text(json.dumps(OLD_REPORT, indent=2) + "\n", encoding="utf-8")
    sha256 = hashlib.sha256(report.read_bytes()).hexdigest()
    (folder / "events.jsonl").write_text(OLD_EVENTS.replace("SHA", sha256), encoding="utf-8")
    inputs = {
        "schema_version": 1,
        "gate": "a",
        "attempt": 1,
        "digests": {"config.seed": "ab" * 32},
        "config": {"seed": 0},
    }
    (folder / "gate_a" / "inputs.json").write_text(json.dumps(inputs), encoding="utf-8")
    (folder / "heartbeat.json").write_text(json.dumps(OLD_PULSE), encoding="utf-8")
    (folder / "plans.json").write_text('{"b": "samples of the base"}', encoding="utf-8")
    info = {
        "schema_version": 1,
        "id": folder.name,
        "created_at": "2026-11-20T23:09:01+01:00",
        "profile": "smoke",
        "git": "cf9b9e35ca",
        "argv": ["profile=smoke"],
    }
    (folder / "run.json").write_text(json.dumps(info), encoding="utf-8")
    (folder / "overrides.txt").write_text("profile=smoke\n", encoding="utf-8")
    (folder / "config.yaml").write_text("profile: smoke\nseed: 0\n", encoding="utf-8")
    return folder


def test_a_run_of_the_first_version_is_read_whole(old: Path) -> None:
    run = Run.open(old)
    assert run.machine.state == "b_ready"
    view = view_run(run)
    assert [(gate.state, gate.text) for gate in view.gates][:2] == [
        ("passed", "40 checks"),
        ("ready", "samples of the base"),
    ]
    report = read_report(old / "gate_a" / "report.json")
    assert report is not None
    assert (report.schema_version, report.results, report.reused_from) == (3, None, None)
    pulse = read_heartbeat(old / "heartbeat.json")
    assert pulse is not None
    assert pulse.done == 1


def test_an_old_configuration_is_refused_by_its_missing_keys_with_the_way_on(old: Path, cli: Cli) -> None:
    before = (old / "events.jsonl").read_bytes()
    code, said = cli("advance")
    assert code == 2
    assert "watch" in said
    assert "rewind A" in said
    assert cli("status")[0] == 0, "it can still be looked at"
    assert (old / "events.jsonl").read_bytes() == before, "nothing was written into it"


def newer(path: Path) -> None:
    edit_json(path, lambda data: data.update(schema_version=99))


@pytest.fixture
def present(results: Path) -> Run:
    """A run of this version whose gates A and B have passed."""
    run = make_run(results, Story(gates="ab", dev_tasks=6, test_tasks=6))
    text = json.dumps({"schema_version": 1, "gate": "b", "attempt": 1, "digests": {}, "config": {}})
    (run.gate_folder("b") / "inputs.json").write_text(text, encoding="utf-8")
    return run


READERS: list[tuple[str, Callable[[Run], Any]]] = [
    ("run.json", lambda run: read_info(run.folder)),
    ("gate_b/report.json", lambda run: read_report(run.gate_folder("b") / "report.json")),
    ("gate_b/inputs.json", lambda run: read_inputs(run, "b")),
    ("gate_a/rule.json", lambda run: read_rule(run.gate_folder("a") / "rule.json")),
]


@pytest.mark.parametrize(("name", "read"), READERS, ids=[name for name, _ in READERS])
def test_a_newer_artifact_is_refused_by_its_schema(present: Run, name: str, read: Callable[[Run], Any]) -> None:
    assert read(present) is not None
    newer(present.folder / name)
    with pytest.raises(Refusal, match="schema") as refused:
        read(present)
    assert name.rpartition("/")[2] in refused.value.sentence
    assert refused.value.fix


def test_a_newer_checkpoint_is_refused_by_its_schema(tmp_path: Path) -> None:
    def write_files(folder: Path) -> None:
        for name in ("adapter_model.safetensors", "adapter_config.json"):
            (folder / name).write_bytes(b"{}")

    facts = {"loss": 0.5, "base": "b", "lora": {}, "train": {}, "examples": "e"}
    saved = save_checkpoint(tmp_path, 3, write_files, facts, True)
    assert read_manifest(saved.folder)["step"] == 3
    newer(saved.folder / "CHECKPOINT.json")
    with pytest.raises(Refusal, match="schema 99"):
        read_manifest(saved.folder)


def test_an_event_of_a_newer_version_is_distinguished_from_a_damaged_line(results: Path, cli: Cli) -> None:
    run = make_run(results, Story(gates=""))
    run.journal.append(EventType.GATE_STARTED, "a", attempt=1)
    line = event_line(run.journal.events[-1])
    body = line.partition(', "sum"')[0].replace("gate_started", "gate_frozen") + "}"
    whole = f'{body[:-1]}, "sum": "{hashlib.sha256(body.encode()).hexdigest()[:16]}"}}\n'
    lines = run.journal.path.read_text(encoding="utf-8").splitlines(keepends=True)
    run.journal.path.write_text(lines[0] + whole, encoding="utf-8")
    with pytest.raises(Refusal, match=r"line 2: 'gate_frozen' is not an event .* knows") as refused:
        Journal.read(run.journal.path)
    assert "newer version" in refused.value.fix
    run.journal.path.write_text(lines[0] + line.replace("gate_started", "gate_frozen") + "\n", encoding="utf-8")
    with pytest.raises(Refusal, match="not an event"):
        Journal.read(run.journal.path)
    assert "line 2" in cli("runs")[1], "one unreadable run does not hide the others"


def test_a_sample_with_keys_of_another_version_is_refused_by_its_line(present: Run) -> None:
    path = present.gate_folder("b") / "samples.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    first = json.loads(lines[0])
    first["verdict"]["confidence"] = 0.5
    path.write_text(json.dumps(first) + "\n" + "".join(lines[1:]), encoding="utf-8")
    with pytest.raises(Refusal, match="line 1"):
        read_samples(path)


@pytest.mark.parametrize("content", ['{"schema_version": 99, "b": {"text": "x"}}', "[]", '{"b": 3}'])
def test_plans_and_pulses_of_another_version_cost_a_screen_its_line_and_nothing_else(
    present: Run, content: str
) -> None:
    present.file("plans.json").write_text(content, encoding="utf-8")
    present.file("heartbeat.json").write_text(content, encoding="utf-8")
    assert view_run(present).gates[2].text == ""
    assert read_heartbeat(present.file("heartbeat.json")) is None


# Whole runs that older versions finished (`profile=smoke`, of 2026-11-21), without weights and without facts of their
# machine: schema 1 by commit 619a4aa, schema 2 by commit 1d18434.
OLD_RUNS = {1: "2026-11-30_smoke_2827", 2: "2026-11-30_smoke_18ce"}
SCHEMAS = pytest.mark.parametrize("schema", sorted(OLD_RUNS))


def unpacked(results: Path, schema: int) -> Run:
    """A finished run as the version of this report schema left it."""
    results.mkdir(exist_ok=True)
    with tarfile.open(PROJECT / "tests" / "support" / "old_runs" / f"schema-{schema}.tar.xz") as packed:
        # Python below 3.11.4 has no filters; the archives are this repository's own
        packed.extractall(results, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    return Run.open(results / OLD_RUNS[schema])


@SCHEMAS
def test_every_report_of_an_older_schema_is_read_into_the_results_of_its_gate(results: Path, schema: int) -> None:
    run = unpacked(results, schema)
    for gate in "abcde":
        path = run.gate_folder(gate) / "report.json"
        stored, report = json.loads(path.read_text(encoding="utf-8")), read_report(path)
        assert stored["schema_version"] == schema
        assert report is not None
        assert report.results is not None
        assert report.results.gate == gate
        assert report.results.base is not None
        assert report.results.base.digest == stored["tables"]["base"]["digest"]
        assert read_report(rewritten(path, report)) == report, "what is written again is the same"


def test_the_run_that_computed_a_reused_gate_is_read_from_an_older_report(results: Path) -> None:
    path = unpacked(results, 2).gate_folder("b") / "report.json"
    origin = {"run": "2026-11-20_smoke_aaaa", "attempt": 2, "report_sha256": "0" * 64}
    edit_json(path, lambda stored: stored.update(taken_over=origin))
    report = read_report(path)
    assert report is not None
    assert report.reused_from is not None
    assert report.reused_from.model_dump() == origin


def rewritten(path: Path, report: GateReport) -> Path:
    copy = path.with_name("again.json")
    write_report(copy, report)
    return copy


@SCHEMAS
def test_the_numbers_of_an_older_run_are_those_that_its_gates_wrote(results: Path, schema: int) -> None:
    run = unpacked(results, schema)
    tables = json.loads((run.gate_folder("e") / "report.json").read_text(encoding="utf-8"))["tables"]
    found = read_artifacts(run).results(DecisionResults)
    assert found is not None
    assert (found.decision.gain.value, found.decision.gain.lower) == (
        tables["decision"]["gain"]["value"],
        tables["decision"]["gain"]["lower"],
    )
    assert [(task.task_id, task.base_c, task.cell_c) for task in found.tasks] == [
        (row["task_id"], row["base_c"], row["cell_c"]) for row in tables["tasks"]
    ]
    assert [score.c for score in found.arms.cell.scores] == [s["c"] for s in tables["results"]["cell"]["scores"]]


@SCHEMAS
def test_an_older_run_is_shown_reported_and_compared_without_a_problem(results: Path, cli: Cli, schema: int) -> None:
    run = unpacked(results, schema)
    assert build(run).problems == ()
    for command in (["status"], ["report"], ["samples", "B"], ["samples", "D", "--cell", "step-000006_x1.00"]):
        code, said = cli(*command)
        assert code == 0, said
    text = (run.folder / "report.md").read_text(encoding="utf-8")
    assert "INCONCLUSIVE" in text
    other = unpacked(results, 3 - schema)
    code, said = cli("compare", run.id, other.id)
    assert code == 0, said
    assert "grid" not in said


@SCHEMAS
def test_advancing_an_older_run_writes_nothing_and_names_a_way_on(results: Path, cli: Cli, schema: int) -> None:
    run = unpacked(results, schema)
    before = (run.folder / "events.jsonl").read_bytes()
    code, said = cli("advance")
    assert code in (2, 3, 5), said
    assert "python -m runner" in said
    assert (run.folder / "events.jsonl").read_bytes() == before


@SCHEMAS
def test_a_run_like_an_older_one_is_made_from_its_old_spellings(results: Path, cli: Cli, schema: int) -> None:
    run = unpacked(results, schema)
    with (run.folder / "overrides.txt").open("a", encoding="utf-8") as stored:
        stored.write("gate/c=lora\n")
    code, said = cli("new", "--like", run.id, "seed=5")
    assert code == 0, said
    made = next(folder for folder in sorted(results.iterdir()) if folder.is_dir() and folder.name != run.id)
    config = read_config(made / "config.yaml")[1]
    assert (config["seed"], config["model"]["quantization"]) == (5, "none")
    assert "gate/c" not in (made / "overrides.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("edit", "field"),
    [
        (lambda tables: tables["decision"].update(k="five"), "results.e.decision.k: Input should be a valid integer"),
        (lambda tables: tables.pop("canary"), "tables.canary: it is missing"),
        (lambda tables: tables["tasks"][0].update(base_c=True), "results.e.tasks.0.base_c: Input should be"),
    ],
)
def test_an_old_report_that_was_edited_is_refused_by_its_field(
    results: Path, edit: Callable[[Any], Any], field: str
) -> None:
    path = unpacked(results, 2).gate_folder("e") / "report.json"
    edit_json(path, lambda report: edit(report["tables"]))
    with pytest.raises(Refusal) as refused:
        read_report(path)
    assert f"{path}: not a gate report of schema 1, 2 or 3: {field}" in refused.value.sentence


def test_results_of_another_gate_are_no_results(present: Run) -> None:
    path = present.gate_folder("b") / "report.json"
    edit_json(path, lambda report: report.update(gate="d"))
    with pytest.raises(Refusal, match="results are of gate b, the report of gate d"):
        read_report(path)


@SCHEMAS
def test_an_older_run_has_marks_where_its_report_tells_the_inputs_and_else_says_why(results: Path, schema: int) -> None:
    data = build(unpacked(results, schema))
    if schema == 1:
        assert not data.marks
        assert "did not store what the tasks gave as input" in data.no_marks
    else:
        assert [row.mark for row in data.marks] == ["syntax", "api", "bugs", "quality", "total"]
    assert all(row.gain is not None for row in data.passes)
