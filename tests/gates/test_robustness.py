"""What people and disks do to a run folder is noticed, named, and never ends in a traceback."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from env.refusal import Refusal
from gates.e_decision.openings import read_openings, record_opening
from runner.runs.folder import Run, archive_old_attempts
from runner.validity.freshness import examine
from runner.validity.intactness import require_intact
from tests.support.run_edits import edit_json
from tests.support.run_factory import make_run
from tests.support.runs import SMOKE, Cli, events, only_run, runner
from tests.support.story import Story


@pytest.fixture
def swept(results: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run whose gates A to D have passed."""
    monkeypatch.setenv("LUAGATE_RESULTS", str(results))
    return make_run(results, Story(gates="abcd", dev_tasks=6, test_tasks=6))


# --- evidence: a gate builds on what earlier gates left, or not at all


def flip_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def double_the_last_line(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines, lines[-1]]))


def delete(path: Path) -> None:
    path.unlink()


def edit_headline(path: Path) -> None:
    edit_json(path, lambda data: data.update(headline="pass@5 99.0"))


TAMPERINGS = [
    ("gate_a/rule.json", flip_a_byte),
    ("gate_b/samples.jsonl", cut),
    ("gate_b/samples.jsonl", double_the_last_line),
    ("gate_b/samples.jsonl", delete),
    ("gate_c/metrics.jsonl", flip_a_byte),
    ("gate_b/report.json", edit_headline),
    ("gate_a/report.json", delete),
]


@pytest.mark.parametrize(("name", "tamper"), TAMPERINGS)
def test_what_an_earlier_gate_left_and_someone_changed_is_refused_with_file_gate_and_way_out(
    swept: Run, name: str, tamper: Callable[[Path], None]
) -> None:
    require_intact(swept, "e")
    tamper(swept.folder / name)
    with pytest.raises(Refusal) as refused:
        require_intact(swept, "e")
    gate = name[5].upper()
    assert name in refused.value.sentence
    assert f"gate {gate}" in refused.value.sentence
    assert f"python -m runner rewind {gate}" in refused.value.fix


def test_a_gate_is_not_held_up_by_files_it_does_not_need(swept: Run) -> None:
    delete(swept.folder / "gate_b" / "samples.jsonl")
    assert held_up(swept) == {"d", "e"}, "training needs no baseline"
    delete(swept.folder / "gate_a" / "rule.json")
    assert held_up(swept) == {"b", "c", "d", "e"}, "every gate after A builds on the rule"


def held_up(run: Run) -> set[str]:
    """Return the gates that would not begin."""
    found = set()
    for gate in "abcde":
        try:
            require_intact(run, gate)
        except Refusal:
            found.add(gate)
    return found


@pytest.fixture(scope="module")
def after_a(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of a real run whose Gate A has passed."""
    results = tmp_path_factory.mktemp("after a")
    runner("advance", "--to", "A", *SMOKE, results=results, check=True)
    return results


@pytest.fixture
def begun(after_a: Path, results: Path) -> Path:
    shutil.copytree(after_a, results)
    return only_run(results)


@pytest.mark.xdist_group("robustness")
def test_advance_refuses_before_the_next_gate_starts_when_the_frozen_rule_was_edited(begun: Path, cli: Cli) -> None:
    edit_json(begun / "gate_a" / "rule.json", lambda data: data["rule"].update(margin_pp=1.0))
    before = events(begun)
    code, text = cli("advance")
    assert code == 2, text
    assert "gate_a/rule.json is not the file that gate A wrote" in text
    assert "python -m runner rewind A" in text
    assert events(begun) == before, "no gate was started"
    assert cli("rewind", "A")[0] == 0, "the way out is open"
    assert (begun / "attempts" / "gate_a.1" / "rule.json").is_file()


@pytest.mark.xdist_group("robustness")
def test_lost_inputs_of_a_passed_gate_are_named_and_its_work_is_not_moved_away(begun: Path, cli: Cli) -> None:
    (begun / "gate_a" / "inputs.json").unlink()
    assert "inputs.json is missing" in cli("status", "--why")[1]
    code, text = cli("advance")
    assert code == 2, text
    assert "gate_a/inputs.json is missing or damaged" in text
    assert (begun / "gate_a" / "report.json").is_file()
    assert cli("rewind", "A", "seed=3")[0] == 0, "the way out is open, with another configuration too"
    assert (begun / "attempts" / "gate_a.unknown" / "report.json").is_file()


@pytest.mark.xdist_group("robustness")
def test_damaged_inputs_do_not_bar_the_way_out_that_the_refusal_names(begun: Path, cli: Cli) -> None:
    (begun / "gate_a" / "inputs.json").write_text("{", encoding="utf-8")
    code, text = cli("status", "--why")
    assert code == 2
    assert "rewind A" in text
    assert cli("rewind", "A", "seed=3")[0] == 0


@pytest.mark.xdist_group("robustness")
def test_a_gate_whose_log_cannot_be_written_is_not_recorded_as_started(begun: Path, cli: Cli) -> None:
    shutil.rmtree(begun / "logs")
    (begun / "logs").write_text("in the way", encoding="utf-8")
    assert cli("advance")[0] == 2
    assert events(begun)[-1]["type"] == "gate_passed"


def test_two_folders_of_unknown_attempts_are_both_kept(results: Path) -> None:
    run = make_run(results, Story(gates=""))
    for _ in range(2):
        run.gate_folder("a").mkdir()
        archive_old_attempts(run)
    kept = sorted(path.name for path in (run.folder / "attempts").iterdir())
    assert kept == ["gate_a.unknown", "gate_a.unknown-2"]


def test_freshness_of_gates_without_inputs_is_never_taken_for_fresh(swept: Run) -> None:
    assert [item.fresh for item in examine(swept, {})] == [False] * 4


# --- openings of the test tasks


def test_the_same_attempt_continuing_after_a_kill_is_one_opening(tmp_path: Path) -> None:
    assert len(record_opening(tmp_path, 1, "2026-01-01T00:00:00+00:00", "step-000003_x1.00")) == 1
    assert len(record_opening(tmp_path, 1, "2026-01-01T01:00:00+00:00", "step-000003_x1.00")) == 1
    assert len(record_opening(tmp_path, 2, "2026-01-01T02:00:00+00:00", "step-000003_x1.00")) == 2


def test_another_cell_in_the_same_attempt_is_another_opening(tmp_path: Path) -> None:
    record_opening(tmp_path, 1, "2026-01-01T00:00:00+00:00", "step-000003_x1.00")
    openings = record_opening(tmp_path, 1, "2026-01-01T01:00:00+00:00", "step-000003_x0.50")
    assert [opening.cell for opening in openings] == ["step-000003_x1.00", "step-000003_x0.50"]


@pytest.mark.parametrize("line", ["nonsense", "[1]", '{"attempt": 1}', '{"at": "", "attempt": "x", "cell": ""}'])
def test_a_line_that_is_no_opening_is_refused_by_its_number(tmp_path: Path, line: str) -> None:
    (tmp_path / "test_openings.jsonl").write_text(line + "\n", encoding="utf-8")
    with pytest.raises(Refusal, match=r"test_openings\.jsonl, line 1"):
        record_opening(tmp_path, 1, "2026-01-01T00:00:00+00:00", "step-000003_x1.00")


def test_an_opening_that_was_erased_is_missed_while_its_samples_are_there(tmp_path: Path) -> None:
    old = tmp_path / "attempts" / "gate_e.1"
    old.mkdir(parents=True)
    (old / "samples.jsonl").write_text("", encoding="utf-8")
    assert read_openings(tmp_path) == [], "an attempt that drew nothing opened nothing"
    (old / "samples.jsonl").write_text("{}\n", encoding="utf-8")
    with pytest.raises(Refusal, match="attempt 1 of gate E"):
        record_opening(tmp_path, 2, "2026-01-01T00:00:00+00:00", "step-000003_x1.00")


# --- files beside the evidence


@pytest.mark.parametrize("content", [b"[1]", b'{"e": 3}', b"\xff", b"", b"null"])
def test_a_broken_plan_costs_the_status_its_plan_and_nothing_else(swept: Run, cli: Cli, content: bytes) -> None:
    swept.file("plans.json").write_bytes(content)
    code, text = cli("status")
    assert code == 0, text
    assert "D sweep" in text


@pytest.mark.xdist_group("robustness")
@pytest.mark.parametrize(
    "command_line", [["config", "--with", "seed=1"], ["advance", "seed=1"], ["rewind", "A", "seed=1"]]
)
@pytest.mark.parametrize("content", [None, b"\xff\n"])
def test_lost_overrides_are_never_taken_for_no_overrides(
    cli: Cli, begun: Path, command_line: list[str], content: bytes | None
) -> None:
    path = begun / "overrides.txt"
    path.unlink() if content is None else path.write_bytes(content)
    code, text = cli(*command_line)
    assert code == 2, text
    assert "overrides.txt" in text


def test_a_report_is_written_without_the_overrides_and_says_so(swept: Run, cli: Cli) -> None:
    swept.file("overrides.txt").unlink()
    assert cli("report")[0] == 5
    assert "overrides.txt" in (swept.folder / "report.md").read_text(encoding="utf-8")


def test_an_edited_report_is_named_by_the_report_of_the_run(swept: Run, cli: Cli) -> None:
    edit_headline(swept.gate_folder("b") / "report.json")
    assert cli("report")[0] == 5
    text = (swept.folder / "report.md").read_text(encoding="utf-8")
    assert "was changed after gate B wrote it" in text


def test_a_torn_journal_of_metrics_is_a_refusal_by_its_line(tmp_path: Path) -> None:
    from gates.c_training.hooks import read_metrics

    path = tmp_path / "metrics.jsonl"
    path.write_text(json.dumps({"step": 1, "session": 1, "loss": 0.5}) + "\nnonsense\n", encoding="utf-8")
    with pytest.raises(Refusal, match="line 2"):
        read_metrics(path)


def test_a_report_json_that_is_no_text_is_a_refusal(swept: Run) -> None:
    (swept.gate_folder("b") / "report.json").write_bytes(b"\xff\xfe")
    with pytest.raises(Refusal, match=r"gate_b/report\.json"):
        require_intact(swept, "e")


@pytest.mark.parametrize(("name", "content"), [("config.yaml", b"\xff"), ("config.yaml", b"a: [1"), ("gate_a", b"x")])
def test_a_file_that_is_not_what_it_should_be_is_a_refusal_with_its_path(
    cli: Cli, results: Path, name: str, content: bytes
) -> None:
    cli("new", *SMOKE)
    (only_run(results) / name).write_bytes(content)
    code, text = cli("advance")
    assert code == 2, text
    assert name in text


@pytest.mark.parametrize("edit", [{"at": "yesterday"}, {"data": {"seconds": "long"}}, {"data": {"attempt": None}}])
def test_an_event_with_a_value_that_cannot_be_computed_with_is_refused_by_its_line(
    cli: Cli, results: Path, edit: dict[str, object]
) -> None:
    cli("new", *SMOKE)
    journal = only_run(results) / "events.jsonl"
    journal.write_text(json.dumps({**json.loads(journal.read_text(encoding="utf-8")), **edit}) + "\n", encoding="utf-8")
    code, text = cli("status")
    assert code == 2, text
    assert "events.jsonl, line 1" in text
