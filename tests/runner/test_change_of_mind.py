"""What may be changed in a run, what is refused, and that nothing is changed behind anybody's back."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from env.locking import LockHeld, RunLock, holder
from env.refusal import Refusal
from runner.advance.loop import _standing_no
from runner.changing.edits import accept_hand_edits, propose
from runner.runs.config import compose_experiment, read_config
from runner.runs.folder import Run, create_run
from runner.runs.journal import EventType, Journal
from runner.runs.overrides import grammar_text, override_text, plain_text
from runner.runs.plain_config import dump_config, read_plain
from tests.support.run_edits import edit_config, edit_json
from tests.support.run_factory import make_run
from tests.support.runs import PROJECT, SMOKE, Cli, events, only_run
from tests.support.story import Story


@pytest.fixture
def run(results: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run that was just created."""
    monkeypatch.setenv("LUAGATE_RESULTS", str(results))
    results.mkdir()
    return create_run(results, "smoke", dump_config(compose_experiment(SMOKE)[1]), list(SMOKE), "")


# --- config.yaml edited by hand


def test_an_edit_by_hand_is_recorded_as_the_override_it_amounts_to(run: Run) -> None:
    edit_config(run, "max_steps: 6", "max_steps: 9")
    assert accept_hand_edits(run) == ["gate.c.train.max_steps: 6 became 9"]
    event = run.journal.events[-1]
    assert (event.type, event.data["changed"], event.data["by_hand"]) == (
        EventType.CONFIG_CHANGED,
        ["gate.c.train.max_steps"],
        True,
    )
    assert run.overrides() == [*SMOKE, "gate.c.train.max_steps=9"]
    assert compose_experiment(run.overrides())[0] == read_config(run.file("config.yaml"))[0]
    assert accept_hand_edits(run) == [], "told once"


def test_an_override_never_reverts_what_was_edited_by_hand(run: Run, cli: Cli) -> None:
    edit_config(run, "max_steps: 6", "max_steps: 9")
    assert cli("rewind", "A", "seed=4")[0] == 0
    experiment, _ = read_config(run.file("config.yaml"))
    assert (experiment.seed, experiment.gate.c.train.max_steps) == (4, 9)
    changed = [e["data"]["changed"] for e in events(run.folder) if e["type"] == "config_changed"]
    assert changed[0] == ["gate.c.train.max_steps"], "named before the override's own change"


def test_a_comment_or_another_order_is_no_change(run: Run) -> None:
    path = run.file("config.yaml")
    path.write_text("# mine\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    assert accept_hand_edits(run) == []
    assert len(run.journal.events) == 1


def test_an_edit_that_is_no_configuration_is_refused_by_its_key_and_keeps_the_journal(run: Run) -> None:
    edit_config(run, "max_steps: 6", "max_step: 6")
    with pytest.raises(Refusal, match=r"gate\.c\.train\.max_step"):
        accept_hand_edits(run)
    assert len(run.journal.events) == 1


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        3,
        0.005,
        "a b",
        'say "no", {now}',
        "null",
        "7",
        "c:\\x",
        "c:\\new\\",
        "\n```\n",
        "\u2028",
        [1, "x y", None],
        ["\n"],
        [],
    ],
)
def test_every_value_survives_as_an_override(value: object) -> None:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    text = override_text(value)
    assert text.isprintable(), "an override is one line"
    parsed = OverridesParser.create().parse_override(f"key={grammar_text(text)}").value()
    assert (
        [str(v) if isinstance(v, str) else v for v in parsed] == value if isinstance(value, list) else parsed == value
    )
    if isinstance(value, str):
        assert plain_text(text) == value, "a key of text reads it as the same text"


# --- overrides change what they say and nothing else


def test_a_relative_path_given_once_means_the_same_file_from_any_folder(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "rows.jsonl").write_text("{}\n", encoding="utf-8")
    monkeypatch.chdir(data)
    given = [*SMOKE, "dataset=jsonl", "dataset.eval=rows.jsonl", "dataset.train=rows.jsonl"]
    _, config = compose_experiment(given)
    other = create_run(run.folder.parent, "smoke", dump_config(config), given, "")
    monkeypatch.chdir(tmp_path)
    change = propose(other, ["seed=4"])
    assert change.changed == ["gate.c.train.seed", "seed"]
    assert change.config["dataset"]["eval"] == str(data / "rows.jsonl")


def test_a_default_that_changed_since_does_not_slip_into_an_old_run(run: Run) -> None:
    edit_config(run, "top_p: 0.95", "top_p: 0.5")
    shutil.copy(run.file("config.yaml"), run.file("config.1.yaml"))
    assert propose(run, ["seed=4"]).changed == ["gate.c.train.seed", "seed"]
    change = propose(run, ["sampling.top_p=0.95"])
    assert change.changed == ["sampling.top_p"], "asked for by name it does, though it is the default now"
    assert change.config["sampling"]["top_p"] == 0.95


def test_keys_that_a_newer_version_added_are_refused_with_the_way_on_and_filled_in_by_it(run: Run, cli: Cli) -> None:
    path = run.file("config.yaml")
    config = read_plain(path)
    del config["watch"]
    old = dump_config(config)
    for name in ("config.yaml", "config.1.yaml"):
        run.file(name).write_text(old, encoding="utf-8")
    code, said = cli("advance")
    assert code == 2
    assert "watch: Field required" in said
    assert "rewind A" in said
    assert cli("rewind", "A")[0] == 0
    assert read_config(path)[0].watch.stall_min_s == 1800
    assert "watch.stall_min_s" in events(run.folder)[-2]["data"]["changed"]


# --- asked to do what cannot be done


def test_what_cannot_be_retried_or_rewound_says_why_and_changes_nothing(run: Run, cli: Cli) -> None:
    before = events(run.folder)
    for arguments, why in (
        (("retry",), "gate A has not started"),
        (("rewind", "C"), "Gate C has not been reached"),
        (("rewind", "F"), "not a gate"),
        (("advance", "--to", "Z"), "not a gate"),
        (("rewind", "A", "sede=1"), 'Did you mean "seed"'),
    ):
        code, said = cli(*arguments)
        assert code == 2, said
        assert why in said
    assert events(run.folder) == before


def test_attempts_are_kept_and_numbered_whatever_is_requested(results: Path, cli: Cli) -> None:
    run = make_run(results, Story(gates="abc", dev_tasks=6, test_tasks=6))
    for gate in run.attempts:
        if run.gate_folder(gate).is_dir():
            text = json.dumps({"schema_version": 1, "gate": gate, "attempt": 1, "digests": {}, "config": {}})
            (run.gate_folder(gate) / "inputs.json").write_text(text, encoding="utf-8")
    run.record(EventType.GATE_REWOUND, "b")
    run.record(EventType.GATE_STARTED, "b", attempt=2)
    run.record(EventType.GATE_RETRIED, "b")
    assert run.attempts == {"a": 1, "b": 3, "c": 2, "d": 2, "e": 2}
    from runner.runs.folder import archive_old_attempts

    archive_old_attempts(run)
    assert sorted(path.name for path in (run.folder / "attempts").iterdir()) == ["gate_b.1", "gate_c.1"]


# --- one writer


def test_deleting_the_lock_file_frees_nothing_and_the_holder_is_still_known(tmp_path: Path) -> None:
    path = tmp_path / "run.lock"
    with RunLock(path) as lock:
        path.unlink()
        with pytest.raises(LockHeld) as held:
            RunLock(path).acquire()
        assert held.value.holder.pid == os.getpid(), "by the kernel's own list of locks"
        assert held.value.holder.host
        who = holder(path)
        assert who is not None
        assert who.pid == os.getpid()
        assert lock.moved_to() is None
    assert holder(path) is None


def test_a_lock_file_replaced_by_another_frees_nothing(tmp_path: Path) -> None:
    path = tmp_path / "run.lock"
    with RunLock(path):
        path.unlink()
        path.write_text("", encoding="utf-8")
        with pytest.raises(LockHeld):
            RunLock(path).acquire()


def test_where_folders_cannot_be_locked_the_file_alone_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = fcntl.flock

    def as_nfs(descriptor: int, kind: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):
            raise OSError(9, "Bad file descriptor")
        real(descriptor, kind)

    monkeypatch.setattr(fcntl, "flock", as_nfs)
    with RunLock(tmp_path / "run.lock"):
        with pytest.raises(LockHeld):
            RunLock(tmp_path / "run.lock").acquire()
        assert holder(tmp_path / "run.lock") is not None


def test_results_on_a_read_only_file_system_are_refused_with_the_way_out(
    run: Run, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def read_only(path: object, flags: int, mode: int = 0o777, **options: object) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) and str(path).startswith(str(run.folder)):
            raise OSError(30, "Read-only file system")
        return real(path, flags, mode, **options)  # type: ignore[call-overload,no-any-return]

    monkeypatch.setattr(os, "open", read_only)
    code, said = cli("advance")
    assert code == 2
    assert "its file system is read-only" in said
    assert "Remount it for writing" in said
    assert cli("status")[0] == 0, "it can still be looked at"


def test_a_renamed_run_folder_is_still_locked_and_its_holder_learns_where_it_is(tmp_path: Path) -> None:
    folder, moved = tmp_path / "run", tmp_path / "moved"
    folder.mkdir()
    with RunLock(folder / "run.lock") as lock:
        folder.rename(moved)
        assert lock.moved_to() == str(moved)
        with pytest.raises(LockHeld):
            RunLock(moved / "run.lock").acquire()
        shutil.rmtree(moved)
        assert lock.moved_to() == ""


def test_a_refused_second_advance_says_who_where_and_since_when(run: Run, cli: Cli) -> None:
    code = (
        "import sys; from pathlib import Path; from env.locking import RunLock\n"
        "with RunLock(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(run.file("run.lock"))]
    with subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()
        exit_code, said = cli("advance")
        process.stdin.close()
    assert exit_code == 4
    host = os.uname().nodename
    for words in (f"pid {process.pid}", f"on {host}", "user ", "since 20"):
        assert words in " ".join(said.split())


# --- deleted, damaged, moved


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("run.json", ("run.json is missing", "runner new")),
        ("events.jsonl", ("events.jsonl is empty", "runner new")),
        ("config.yaml", ("config.yaml is missing", "config.N.yaml")),
    ],
)
def test_a_deleted_file_is_named_with_the_way_out(run: Run, cli: Cli, name: str, words: tuple[str, ...]) -> None:
    run.file(name).unlink()
    code, said = cli("advance", "--run", run.id)
    assert code == 2
    for word in words:
        assert word in " ".join(said.split())
    assert run.id in cli("runs")[1]


def test_a_no_whose_report_was_deleted_is_not_a_silent_no(results: Path) -> None:
    run = make_run(results, Story(gates=""))
    run.record(EventType.GATE_STARTED, "a", attempt=1)
    run.record(EventType.GATE_FAILED, "a", attempt=1)
    with pytest.raises(Refusal, match=r"gate_a/report\.json is missing") as refused:
        _standing_no(run, "a")
    assert "retry" in refused.value.fix


def test_why_names_a_changed_file_with_both_digests_and_the_way_out(results: Path, cli: Cli) -> None:
    run = make_run(results, Story(gates="ab", dev_tasks=6, test_tasks=6))
    config = dump_config(compose_experiment(SMOKE)[1])
    run.file("config.yaml").write_text(config, encoding="utf-8")
    for gate in "ab":
        text = json.dumps({"schema_version": 1, "gate": gate, "attempt": 1, "digests": {}, "config": {}})
        (run.gate_folder(gate) / "inputs.json").write_text(text, encoding="utf-8")
    samples = run.gate_folder("b") / "samples.jsonl"
    samples.write_bytes(samples.read_bytes()[:-50])
    code, said = cli("status", "--why")
    flat = " ".join(said.split())
    assert code == 0
    assert "gate_b/samples.jsonl is not the file that gate B wrote: its SHA-256 differs (expected " in flat
    assert ", found " in flat.replace("; found", ", found")
    assert "rewind" in flat
    found = json.loads(cli("status", "--why", "--json")[1])
    assert [bool(item["damage"]) for item in found] == [False, True]


def test_a_results_folder_that_was_moved_works_from_its_new_place(results: Path, tmp_path: Path, cli: Cli) -> None:
    run = make_run(results, Story(gates="ab", dev_tasks=6, test_tasks=6))
    moved = tmp_path / "moved"
    results.rename(moved)
    os.environ["LUAGATE_RESULTS"] = str(moved)
    assert cli("status")[0] == 0
    assert cli("report")[0] == 0
    assert str(results) not in (moved / run.id / "report.html").read_text(encoding="utf-8")
    (moved / run.id).rename(moved / "renamed")
    code, said = cli("status")
    assert code == 2
    assert f"{run.id}, is no longer in" in " ".join(said.split())
    assert cli("status", "--run", "renamed")[0] == 0


def test_a_clock_that_was_set_back_is_noted_and_breaks_nothing(results: Path) -> None:
    run = make_run(results, Story(gates=""))
    path = run.journal.path
    edit_event = json.loads(path.read_text(encoding="utf-8"))
    edit_event.pop("sum", None)
    path.write_text(json.dumps({**edit_event, "at": "2999-01-01T00:00:00+00:00"}) + "\n", encoding="utf-8")
    journal = Journal.read(path)
    assert journal.append(EventType.GATE_STARTED, "a", attempt=1).data["clock_back_s"] > 1e9
    assert "clock_back_s" not in journal.append(EventType.GATE_PASSED, "a", attempt=1).data
    assert Run.open(run.folder).machine.state == "b_ready"
    edit_json(run.folder / "run.json", lambda data: data.update(created_at="2999-01-01T00:00:00+00:00"))
    assert only_run(results) == run.folder
