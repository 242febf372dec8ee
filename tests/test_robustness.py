"""What people and disks do to a run folder is noticed and named, and never ends in a traceback or in another run."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from env.refusal import Refusal
from gates.openings import read_openings, record_opening
from runner.cli import main
from runner.freshness import examine
from runner.intactness import require_intact
from runner.run import Run, archive_old_attempts, command, find_run, remember_current, run_folders
from tests.run_factory import Story, edit_json, make_run
from tests.runs import PROJECT, SMOKE, environment, events, only_run, runner

Cli = Callable[..., tuple[int, str]]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "results"


@pytest.fixture
def cli(results: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Cli:
    """Run the command line in this process; return exit code and everything printed."""
    monkeypatch.setenv("LUAGATE_RESULTS", str(results))
    monkeypatch.setenv("NO_COLOR", "1")

    def call(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["runner", *arguments])
        code = main()
        printed = capfd.readouterr()
        return code, printed.out + printed.err

    return call


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
def test_what_an_earlier_gate_left_and_somebody_changed_is_refused_with_file_gate_and_way_out(
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
    require_intact(swept, "c")


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


@pytest.mark.xdist_group("runs")
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


@pytest.mark.xdist_group("runs")
def test_lost_inputs_of_a_passed_gate_are_named_and_its_work_is_not_moved_away(begun: Path, cli: Cli) -> None:
    (begun / "gate_a" / "inputs.json").unlink()
    assert "inputs.json is missing" in cli("status", "--why")[1]
    code, text = cli("advance")
    assert code == 2, text
    assert "gate_a/inputs.json is missing or damaged" in text
    assert (begun / "gate_a" / "report.json").is_file()
    assert cli("rewind", "A", "seed=3")[0] == 0, "the way out is open, with another configuration too"
    assert (begun / "attempts" / "gate_a.unknown" / "report.json").is_file()


@pytest.mark.xdist_group("runs")
def test_damaged_inputs_do_not_bar_the_way_out_that_the_refusal_names(begun: Path, cli: Cli) -> None:
    (begun / "gate_a" / "inputs.json").write_text("{", encoding="utf-8")
    code, text = cli("status", "--why")
    assert code == 2
    assert "rewind A" in text
    assert cli("rewind", "A", "seed=3")[0] == 0


@pytest.mark.xdist_group("runs")
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


def test_the_same_attempt_going_on_after_a_kill_is_one_opening(tmp_path: Path) -> None:
    assert len(record_opening(tmp_path, 1, "2026-01-01T00:00:00+00:00", "step-000003_x1.00")) == 1
    assert len(record_opening(tmp_path, 1, "2026-01-01T01:00:00+00:00", "step-000003_x1.00")) == 1
    assert len(record_opening(tmp_path, 2, "2026-01-01T02:00:00+00:00", "step-000003_x1.00")) == 2


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


@pytest.mark.parametrize(
    "command_line", [["config", "--with", "seed=1"], ["advance", "seed=1"], ["rewind", "B", "seed=1"]]
)
@pytest.mark.parametrize("content", [None, b"\xff\n"])
def test_lost_overrides_are_never_taken_for_no_overrides(
    cli: Cli, results: Path, command_line: list[str], content: bytes | None
) -> None:
    cli("new", *SMOKE)
    path = only_run(results) / "overrides.txt"
    path.unlink() if content is None else path.write_bytes(content)
    code, text = cli(*command_line)
    assert code == 2, text
    assert "overrides.txt" in text or "Gate B has not been reached" in text


def test_a_report_is_written_without_the_overrides_and_says_so(swept: Run, cli: Cli) -> None:
    swept.file("overrides.txt").unlink()
    assert cli("report")[0] == 0
    assert "overrides.txt" in (swept.folder / "report.md").read_text(encoding="utf-8")


def test_an_edited_report_is_named_by_the_report_of_the_run(swept: Run, cli: Cli) -> None:
    edit_headline(swept.gate_folder("b") / "report.json")
    assert cli("report")[0] == 0
    text = (swept.folder / "report.md").read_text(encoding="utf-8")
    assert "was changed after gate B wrote it" in text


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


# --- overrides


@pytest.mark.parametrize("text", ['gate.a.waivers.exact_leaks="two\nlines"', "seed=1\u2028", "seed=\x1b[31m1"])
def test_an_override_that_would_not_fit_on_its_line_is_refused(cli: Cli, results: Path, text: str) -> None:
    code, printed = cli("new", *SMOKE, text)
    assert code == 2
    assert "is not one line of text" in printed
    assert not results.exists()


def test_a_key_without_a_near_match_is_answered_with_its_neighbours_not_with_all_keys(cli: Cli) -> None:
    code, text = cli("new", "hydra.run.dir=x")
    assert code == 2
    assert "sampling, seed" in text
    assert "sampling.top_p" not in text


def test_a_question_does_not_end_in_a_full_stop(cli: Cli) -> None:
    assert "?." not in cli("new", "sede=1")[1]


# --- which run is meant


def test_a_current_run_that_is_gone_is_not_silently_replaced_by_another(cli: Cli, results: Path) -> None:
    cli("new", *SMOKE)
    other = only_run(results)
    cli("new", *SMOKE)
    gone = find_run(results, None)
    assert gone is not None
    shutil.rmtree(gone)
    code, text = cli("advance", "seed=3")
    assert code == 2, text
    assert gone.name in text
    assert "advance --run" in text
    assert events(other)[-1]["type"] == "run_created", "the other run was left alone"
    shutil.rmtree(other)
    assert find_run(results, None) is None, "without any run there is nothing to mix up"


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", None])
def test_without_a_remembered_run_the_newest_is_meant_whatever_its_name(
    cli: Cli, results: Path, content: bytes | None
) -> None:
    for name, created in (
        ("z", "2026-01-01T09:00:00+00:00"),
        ("a", "2026-01-01T10:30:00+01:00"),
        ("m", "2026-01-01T09:45:00+00:00"),
    ):
        cli("new", *SMOKE)
        [fresh] = [folder for folder in run_folders(results) if len(folder.name) > 1]
        edit_json(fresh / "run.json", lambda data, at=created: data.update(created_at=at))
        fresh.rename(results / name)
    current = results / ".current"
    current.unlink() if content is None else current.write_bytes(content)
    assert [folder.name for folder in run_folders(results)] == ["z", "a", "m"]
    assert find_run(results, None) == results / "m"


def test_a_renamed_run_is_called_by_its_new_name(cli: Cli, results: Path) -> None:
    cli("new", *SMOKE)
    only_run(results).rename(results / "renamed ü")
    assert "renamed ü" in cli("runs")[1]
    code, text = cli("status", "--run", "renamed ü")
    assert code == 0
    assert "--run 'renamed ü'" in text


def test_the_next_command_speaks_of_the_run_it_stands_under(cli: Cli, results: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "else where"
    cli("new", *SMOKE)
    first = only_run(results)
    assert command(first, "advance") == "python -m runner advance"
    cli("new", *SMOKE)
    assert f"next:  python -m runner advance --run {first.name}" in cli("status", "--run", first.name)[1]
    cli("new", *SMOKE, "--results", str(elsewhere))
    assert command(only_run(elsewhere), "advance") == f"python -m runner advance --run '{only_run(elsewhere)}'"
    remember_current(results, first.name)
    assert command(first, "retry") == "python -m runner retry"


def test_the_command_that_the_list_of_runs_names_exists(cli: Cli, results: Path) -> None:
    cli("new", *SMOKE)
    assert "python -m runner status --run NAME" in cli("runs")[1]
    assert cli("status", "--run", only_run(results).name)[0] == 0


def test_a_list_of_nothing_but_broken_runs_does_not_say_that_there_are_none(cli: Cli, results: Path) -> None:
    cli("new", *SMOKE)
    (only_run(results) / "run.json").write_text("[]", encoding="utf-8")
    code, text = cli("runs")
    assert code == 0
    assert "no runs yet" not in text
    assert "run.json" in text


# --- streams, places, surroundings


@pytest.mark.xdist_group("runs")
def test_a_results_folder_named_from_here_is_found_by_the_worker_too(tmp_path: Path) -> None:
    line = f'cd "{tmp_path}" && "$PY" -m runner advance --to A profile=smoke gate.a.machine.min_free_ram_gb=100000'
    done = shell(line, Path("from here"))
    assert done.returncode == 3, done.stdout + done.stderr
    assert (only_run(tmp_path / "from here") / "gate_a" / "report.json").is_file()


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with a space and an umlaut in its name, holding one run that has not begun."""
    results = tmp_path_factory.mktemp("res ü")
    runner("new", *SMOKE, results=results, check=True)
    return results


def shell(line: str, results: Path, **extra: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", line],
        cwd="/",
        env={**environment(results), "PY": sys.executable, "PYTHONPATH": str(PROJECT), **extra},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("redirection", [">&-", "2>&-", ">&- 2>&-", ">/dev/full"])
@pytest.mark.parametrize("words", ["status", "runs"])
def test_a_screen_without_a_stream_is_no_crash(listed: Path, words: str, redirection: str) -> None:
    if redirection == ">/dev/full" and not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    done = shell(f'"$PY" -m runner {words} {redirection}', listed)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("surroundings", ["unset HOME;", "PATH=/nonexistent;", "COLUMNS=3;"])
def test_a_run_is_found_from_any_folder_in_bare_surroundings(listed: Path, surroundings: str) -> None:
    done = shell(f'{surroundings} "$PY" -m runner status', listed)
    assert done.returncode == 0, done.stderr
    assert only_run(listed).name in done.stdout
    assert "next:  python -m runner advance\n" in done.stdout


# The superuser writes everywhere, unless the process gives that right away.
AS_ANYBODY = (
    ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    if os.geteuid() == 0 and shutil.which("setpriv")
    else []
)


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A results folder with one run, that cannot be written to."""
    if os.geteuid() == 0 and not AS_ANYBODY:
        pytest.skip("the superuser writes everywhere, and setpriv is not installed")
    results = tmp_path / "results"
    runner("new", *SMOKE, results=results, check=True)
    folders = [results, *(path for path in results.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    yield results
    for folder in folders:
        folder.chmod(0o755)


def test_a_results_folder_that_is_read_only_can_be_read_and_refuses_to_be_written(read_only: Path) -> None:
    as_anybody = shlex.join(AS_ANYBODY)
    assert shell(f'{as_anybody} "$PY" -m runner status', read_only).returncode == 0
    for words in ("advance", "new profile=smoke", "report", "rewind A"):
        done = shell(f'{as_anybody} "$PY" -m runner {words}', read_only)
        assert done.returncode == 2, done.stdout + done.stderr
        assert "not allowed to write there" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_torn_journal_of_metrics_is_a_refusal_by_its_line(tmp_path: Path) -> None:
    from gates.c_training import read_metrics

    path = tmp_path / "metrics.jsonl"
    path.write_text(json.dumps({"step": 1, "session": 1, "loss": 0.5}) + "\nnonsense\n", encoding="utf-8")
    with pytest.raises(Refusal, match="line 2"):
        read_metrics(path)
