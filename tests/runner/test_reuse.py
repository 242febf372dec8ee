"""A gate that was finished with the same inputs is reused, verified byte by byte; anything less is computed."""

from __future__ import annotations

import io
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from env.checks import fact
from env.files import append_lines, write_atomic
from env.installed.opened_files import CHANGED, content_digest
from env.refusal import Refusal
from gates.report import GateReport, artifact, read_report, write_report
from gates.report.results import AnyResults
from runner.advance.loop import heal, record_report
from runner.runs.folder import Run, archive_old_attempts, create_run
from runner.runs.journal import EventType
from runner.screens import make_screen
from runner.validity import reuse
from runner.validity.equivalence import Installation, difference
from runner.validity.freshness import Inputs, write_inputs
from runner.validity.intactness import changes
from runner.validity.reuse import record_reuse, remove_stages, requested_anew, stage_folder
from runner.views.run_view import view_run
from tests.support.gate_results import BASE, JUDGE, baseline_results, environment_results, training_results
from tests.support.run_edits import edit_json
from tests.support.runs import SMOKE, events, only_run, runner

CHOICES = {"device": "cpu: torch sees no GPU", "dtype": "float32: exact"}
INPUTS = Inputs({"config.seed": "5" * 64, "gate_a": "a" * 64}, {"seed": 0})
VERSIONS = {"python": "3.11.2", "torch": "2.13.0"}
JUDGING = "eval/judge.lua"
ADAPTER = "checkpoints/step-000003/adapter_model.safetensors"


def project(run: Run) -> Path:
    """The folder of the code that these runs are computed by."""
    folder = run.folder.parent.parent / "project"
    if not folder.exists():
        write_atomic(folder / JUDGING, "return 1\n")
    return folder


def reuse_gate(run: Run, gate: str, inputs: Inputs) -> tuple[GateReport | None, list[str]]:
    """Reuse ``gate`` on an installation like the one that computed it."""
    return reuse.reuse_gate(run, gate, inputs, Installation(project(run), VERSIONS))


def begun(results: Path) -> Run:
    """A run whose Gate A has passed."""
    results.mkdir(exist_ok=True)
    run = create_run(results, "smoke", "seed: 0\n", [], "")
    facts = {**JUDGE.model_dump(), **{f"model {name}": chosen for name, chosen in CHOICES.items()}}
    checks = [fact(name, value) for name, value in facts.items()]
    conclude(run, Inputs({}, {}), {}, environment_results(), checks=checks)
    return run


def conclude(run: Run, inputs: Inputs, files: dict[str, bytes], results: AnyResults, **more: object) -> None:
    """Let a gate of ``run`` pass, as a worker and its supervisor would."""
    gate = results.gate
    folder = run.gate_folder(gate)
    folder.mkdir(exist_ok=True)
    write_inputs(run, gate, inputs)
    run.record(EventType.GATE_STARTED, gate, attempt=run.attempts[gate], first_started_at="", elapsed_before_s=0.0)
    for name, content in files.items():
        write_atomic(folder / name, content)
    report = GateReport(
        gate=gate,
        title="",
        status="passed",
        headline="pass@1 9.8",
        attempt=run.attempts[gate],
        started_at="2026-11-20T08:00:00+00:00",
        finished_at="2026-11-20T10:00:00+00:00",
        seconds=7200.0,
        inputs=inputs.digests,
        results=results,
        choices=CHOICES,
        artifacts=[artifact(run.folder, folder / name) for name in files],
        versions=VERSIONS,
        source_files={JUDGING: content_digest(project(run), JUDGING)},
        **more,  # type: ignore[arg-type]
    )
    write_report(folder / "report.json", report)
    record_report(run, report)


def measured(results: Path) -> Run:
    """A run that has finished B."""
    run = begun(results)
    conclude(run, INPUTS, {"samples.jsonl": b'{"n": 1}\n' * 50}, baseline_results())
    return run


@pytest.fixture
def source(results: Path) -> Run:
    return measured(results)


@pytest.fixture
def other(source: Run, results: Path) -> Run:
    return begun(results)


def test_a_finished_gate_of_the_same_inputs_is_reused_with_its_source_named(source: Run, other: Run) -> None:
    report, passed_over = reuse_gate(other, "b", INPUTS)
    assert report is not None
    assert report.reused_from is not None
    assert (report.reused_from.run, report.reused_from.attempt, passed_over) == (source.id, 1, [])
    record_reuse(other, report, 0.1)
    assert other.machine.state == "c_ready"
    assert list(changes(other, "b")) == [], "what was reused is intact by this run's own journal"
    event = other.journal.events[-1]
    assert event.data["source"]["run"] == source.id
    assert (event.data["seconds"], event.data["computed_seconds"]) == (0.1, 7200.0)
    assert Run.open(other.folder).machine.state == "c_ready"


def test_the_screen_names_the_run_it_came_from_and_how_to_refuse(source: Run, other: Run) -> None:
    report, _ = reuse_gate(other, "b", INPUTS)
    assert report is not None
    record_reuse(other, report, 0.1)
    stream = io.StringIO()
    screen = make_screen(stream)
    screen.gate_reused(other, report)
    screen.noticed(other, ["not reused from x: y"])
    assert f"reused from {source.id}, attempt 1: same inputs, every file verified   --fresh" in stream.getvalue()
    assert "not reused from x: y" in stream.getvalue()
    assert view_run(Run.open(other.folder)).gates[1].text == f"pass@1 9.8 · reused from {source.id}"


def test_what_is_appended_to_is_copied_and_the_rest_is_linked(source: Run, results: Path) -> None:
    conclude(source, INPUTS, {"metrics.jsonl": b'{"step": 1}\n', ADAPTER: b"weights"}, training_results({3: "dd" * 32}))
    other = begun(results)
    other.record(EventType.GATE_REUSED, "b", attempt=1)
    assert reuse_gate(other, "c", INPUTS)[0] is not None
    theirs, ours = source.gate_folder("c"), other.gate_folder("c")
    assert os.path.samefile(theirs / ADAPTER, ours / ADAPTER)
    assert not os.path.samefile(theirs / "metrics.jsonl", ours / "metrics.jsonl")
    append_lines(ours / "metrics.jsonl", ["{}"])
    assert (theirs / "metrics.jsonl").read_bytes() == b'{"step": 1}\n', "no run writes into another"
    assert list(changes(source, "c")) == []


def cut_samples(run: Run) -> None:
    path = run.gate_folder("b") / "samples.jsonl"
    path.write_bytes(path.read_bytes()[:-9])


def lose_samples(run: Run) -> None:
    (run.gate_folder("b") / "samples.jsonl").unlink()


def edit_report(run: Run) -> None:
    edit_json(run.gate_folder("b") / "report.json", lambda data: data.update(headline="pass@1 99.9"))


def report_again(run: Run, change: Callable[[GateReport], GateReport]) -> None:
    """Write another report and let the journal know it: as if it had been made so."""
    path = run.gate_folder("b") / "report.json"
    report = read_report(path)
    assert report is not None
    write_report(path, change(report))
    run.record(EventType.GATE_REWOUND, "b")
    run.journal.events[:] = run.journal.events[:-2]
    lines = run.journal.path.read_bytes().splitlines(keepends=True)[:-2]
    run.journal.path.write_bytes(b"".join(lines))
    reopened = Run.open(run.folder)
    record_report(reopened, change(report))


def other_versions(run: Run) -> None:
    report_again(run, lambda report: report.model_copy(update={"versions": {**report.versions, "torch": "1.0"}}))


def other_code(run: Run) -> None:
    write_atomic(project(run) / JUDGING, "return 2\n")


def unsteady_code(run: Run) -> None:
    report_again(run, lambda report: report.model_copy(update={"source_files": {JUDGING: CHANGED}}))


def unknown_code(run: Run) -> None:
    report_again(run, lambda report: report.model_copy(update={"source_files": {}}))


def other_base(run: Run) -> None:
    results = baseline_results(base=BASE.model_copy(update={"digest": "0" * 64}))
    report_again(run, lambda report: report.model_copy(update={"results": results}))


def other_judge(run: Run) -> None:
    results = baseline_results(judge=JUDGE.model_copy(update={"verifier": "engine"}))
    report_again(run, lambda report: report.model_copy(update={"results": results}))


def other_device(run: Run) -> None:
    report_again(run, lambda report: report.model_copy(update={"choices": {**CHOICES, "device": "cuda: an H200"}}))


def outside(run: Run) -> None:
    path = run.folder / "config.yaml"
    report_again(run, lambda report: report.model_copy(update={"artifacts": [artifact(run.folder, path)]}))


def damaged_journal(run: Run) -> None:
    run.journal.path.write_text("nonsense\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (cut_samples, "not the file that its report names"),
        (lose_samples, "could not be copied"),
        (edit_report, "not the one that its journal knows"),
        (other_versions, "torch 1.0, now 2.13.0"),
        (other_code, "eval/judge.lua changed since"),
        (unsteady_code, "files changed while it was computed: eval/judge.lua"),
        (unknown_code, "does not say which files of the project it used"),
        (other_base, "another base model"),
        (other_judge, "verified by engine"),
        (other_device, "ran with device cuda"),
        (outside, "outside its folder"),
        (damaged_journal, "line 1"),
    ],
)
def test_what_is_damaged_or_made_otherwise_is_never_reused_and_the_reason_is_reported(
    source: Run, other: Run, spoil: Callable[[Run], None], why: str
) -> None:
    spoil(source)
    report, passed_over = reuse_gate(other, "b", INPUTS)
    assert report is None
    assert len(passed_over) == 1
    assert f"{source.id}/gate_b" in passed_over[0]
    assert why in passed_over[0]
    assert not other.gate_folder("b").exists()
    assert not stage_folder(other, "b").exists()


def test_a_training_whose_answers_another_verifier_judged_is_not_reused(source: Run) -> None:
    own = read_report(source.gate_folder("a") / "report.json")
    report = read_report(source.gate_folder("b") / "report.json")
    assert own is not None
    assert report is not None
    trained = training_results({})
    for judge, why in (
        (JUDGE, ""),
        (JUDGE.model_copy(update={"verifier": "engine"}), "verified by engine"),
        (None, ""),
    ):
        results = trained.model_copy(update={"judge": judge})
        found = report.model_copy(update={"gate": "c", "results": results})
        assert why in (said := difference(found, own, Installation(project(source), VERSIONS)))
        assert bool(why) == bool(said)


def test_a_file_that_computing_did_not_open_stops_no_reuse(source: Run, other: Run) -> None:
    for name in ("runner/screens/ink.py", "eval/domains/other/tasks.yaml", "eval/README.md"):
        write_atomic(project(other) / name, "changed\n")
    report, passed_over = reuse_gate(other, "b", INPUTS)
    assert report is not None
    assert passed_over == []


def test_a_gate_that_is_still_at_work_or_of_other_inputs_is_no_source(results: Path) -> None:
    source = begun(results)
    source.gate_folder("b").mkdir()
    write_inputs(source, "b", INPUTS)
    source.record(EventType.GATE_STARTED, "b", attempt=1)
    other = begun(results)
    assert reuse_gate(other, "b", INPUTS) == (None, [])
    conclude(other, INPUTS, {"samples.jsonl": b"{}\n"}, baseline_results())
    third = begun(results)
    assert reuse_gate(third, "b", Inputs({**INPUTS.digests, "config.seed": "6" * 64}, {})) == (None, [])


def test_the_next_fitting_run_serves_where_the_newest_is_damaged(results: Path) -> None:
    good, bad = measured(results), measured(results)
    cut_samples(bad)
    edit_json(bad.folder / "run.json", lambda data: data.update(created_at="2999-01-01T00:00:00+00:00"))
    report, passed_over = reuse_gate(begun(results), "b", INPUTS)
    assert report is not None
    assert report.reused_from is not None
    assert report.reused_from.run == good.id
    assert len(passed_over) == 1


def test_of_a_chain_the_run_that_computed_is_named(source: Run, results: Path) -> None:
    for _ in range(2):
        run = begun(results)
        report, _ = reuse_gate(run, "b", INPUTS)
        assert report is not None
        record_reuse(run, report, 0.1)
        shutil.rmtree(source.folder, ignore_errors=True)
        assert report.reused_from is not None
        assert report.reused_from.run == source.id


def test_a_mind_changed_back_finds_the_runs_own_earlier_attempt(source: Run) -> None:
    source.record(EventType.GATE_REWOUND, "b", anew=False)
    archive_old_attempts(source)
    report, _ = reuse_gate(source, "b", INPUTS)
    assert report is not None
    assert (report.attempt, report.reused_from and report.reused_from.attempt) == (2, 1)
    record_reuse(source, report, 0.1)
    assert (source.folder / "attempts" / "gate_b.1" / "report.json").is_file(), "the old attempt stays"
    assert list(changes(source, "b")) == []


def test_a_gate_redone_with_nothing_changed_and_a_fresh_run_are_computed(source: Run, results: Path) -> None:
    assert not requested_anew(source, "b")
    source.record(EventType.GATE_REWOUND, "b", anew=True)
    assert requested_anew(source, "b")
    assert not requested_anew(source, "c"), "what follows may be reused"
    source.record(EventType.GATE_REWOUND, "a", anew=False)
    assert not requested_anew(source, "b"), "a later change of mind counts"
    assert requested_anew(create_run(results, "smoke", "", [], "", fresh=True), "d")


@pytest.mark.parametrize("gate", ["a", "e"])
def test_what_describes_now_or_opens_the_test_is_never_reused(source: Run, other: Run, gate: str) -> None:
    assert reuse_gate(other, gate, Inputs({}, {})) == (None, [])
    with pytest.raises(Refusal, match="not possible"):
        other.record(EventType.GATE_REUSED, gate)


def test_killed_between_place_and_journal_it_is_recorded_by_the_next_advance(source: Run, other: Run) -> None:
    assert reuse_gate(other, "b", INPUTS)[0] is not None
    reopened = Run.open(other.folder)
    heal(reopened)
    assert reopened.journal.events[-1].type == EventType.GATE_REUSED
    assert reopened.machine.state == "c_ready"


def die_at_call(number: int) -> None:
    """Make this process kill itself at its ``number``-th durable step."""
    count = 0

    def hooked(real: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **options: object) -> object:
            nonlocal count
            count += 1
            if count == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **options)

        return call

    for name in ("fsync", "rename", "replace", "link", "mkdir"):
        setattr(os, name, hooked(getattr(os, name)))


def test_kill_9_at_every_step_leaves_the_gate_whole_or_not_begun(source: Run, other: Run, results: Path) -> None:
    template = results.with_name("template")
    shutil.copytree(results, template)
    before = (source.gate_folder("b") / "samples.jsonl").read_bytes()
    for number in range(1, 60):
        shutil.rmtree(results)
        shutil.copytree(template, results)
        child = os.fork()
        if child == 0:
            die_at_call(number)
            run = Run.open(other.folder)
            report, _ = reuse_gate(run, "b", INPUTS)
            record_reuse(run, report, 0.0) if report else None
            os._exit(0 if report else 1)
        status = os.waitpid(child, 0)[1]
        run = Run.open(other.folder)
        assert run.machine.state in ("b_ready", "c_ready")
        remove_stages(run)
        heal(run)
        if run.machine.state == "b_ready":
            assert not run.gate_folder("b").exists()
            assert reuse_gate(run, "b", INPUTS)[0] is not None, "the next advance reuses it"
        else:
            assert list(changes(run, "b")) == []
        assert (Run.open(source.folder).gate_folder("b") / "samples.jsonl").read_bytes() == before
        if status == 0:
            assert number > 8, "the steps were really counted"
            return
    raise AssertionError("it never came to its end")


def test_links_that_cannot_be_made_are_copies(source: Run, results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conclude(source, INPUTS, {ADAPTER: b"weights"}, training_results({3: "dd" * 32}))
    other = begun(results)
    other.record(EventType.GATE_REUSED, "b", attempt=1)

    def across_devices(*_: object, **__: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(reuse.os, "link", across_devices)
    assert reuse_gate(other, "c", INPUTS)[0] is not None
    assert (other.gate_folder("c") / ADAPTER).read_bytes() == b"weights"


# --- the real thing


@pytest.mark.timeout(600)
def test_a_new_learning_rate_never_repeats_the_baseline(tmp_path: Path) -> None:
    runner("advance", "--to", "B", *SMOKE, results=tmp_path, check=True)
    first = only_run(tmp_path)
    runner("new", *SMOKE, "gate.c.train.learning_rate=0.001", results=tmp_path, check=True)
    done = runner("advance", "--to", "B", results=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"reused from {first.name}, attempt 1: same inputs" in done.stdout
    [second] = [path for path in tmp_path.iterdir() if (path / "run.json").is_file() and path != first]
    assert [e["type"] for e in events(second) if e["gate"] == "b"] == ["gate_reused"]
    samples = "gate_b/samples.jsonl"
    assert (second / samples).read_bytes() == (first / samples).read_bytes()
    assert f"reused from {first.name}" in runner("status", results=tmp_path).stdout
    assert "✗" not in runner("status", "--why", results=tmp_path).stdout
