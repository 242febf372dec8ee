"""A new run keeps the experiment at hand unless it is told otherwise, says what it is, and is not made of what is not there."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest

from runner.runs.config import compose_experiment, read_config
from runner.runs.folder import Run, current_name, find_run, new_command, run_folders
from tests.support.run_edits import edit_config
from tests.support.runs import SMOKE, Cli

OWN = (*SMOKE, "model=local", "model.batch_size=7", "gate.c.lora.r=4")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model folder of the user's own."""
    folder = tmp_path / "my-model"
    shutil.copytree(Path(compose_experiment([])[0].model.path), folder)
    return folder


@pytest.fixture
def own(cli: Cli, results: Path, model: Path) -> Path:
    """The current run: an own model and own settings."""
    assert cli("new", *OWN, f"model.path={model}")[0] == 0
    return current(results)


def current(results: Path) -> Path:
    folder = find_run(results, None)
    assert folder is not None
    return folder


def experiment(folder: Path):
    return read_config(folder / "config.yaml")[0]


def test_a_new_run_keeps_profile_model_data_and_overrides_of_the_current_one(
    cli: Cli, results: Path, own: Path, model: Path
) -> None:
    code, text = cli("new", "seed=1")
    assert code == 0
    made = experiment(current(results))
    assert (made.seed, made.profile, made.model.path, made.gate.c.lora.r) == (1, "smoke", str(model), 4)
    assert made.model == experiment(own).model
    assert f"like {own.name}: seed 0 → 1" in text
    assert "--from-defaults drops them" in text


def test_a_clean_run_begins_with_the_defaults_alone(cli: Cli, results: Path, own: Path) -> None:
    assert cli("new", "--from-defaults", "seed=1")[0] == 0
    assert experiment(current(results)) == compose_experiment(["seed=1"])[0]


def test_another_run_can_be_the_pattern(cli: Cli, results: Path, own: Path) -> None:
    cli("new", "--from-defaults", "profile=smoke")
    assert cli("new", "--like", own.name, "seed=2")[0] == 0
    assert experiment(current(results)).gate.c.lora.r == 4
    assert cli("new", "--like", own.name, "--from-defaults")[0] == 2


def test_what_was_written_into_the_configuration_by_hand_is_kept_too(cli: Cli, results: Path, own: Path) -> None:
    edit_config(Run.open(own), "max_steps: 6", "max_steps: 9")
    assert cli("new", "seed=1")[0] == 0
    assert experiment(current(results)).gate.c.train.max_steps == 9
    assert cli("new")[0] == 0, "as an override like any other"


def test_a_file_that_was_named_from_another_folder_is_the_same_file_in_a_new_run(
    cli: Cli, results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli("new", *SMOKE, "model=local", f"model.path={model.name}")[0] == 0
    monkeypatch.chdir("/")
    assert cli("new", "seed=1")[0] == 0
    assert experiment(current(results)).model.path == str(model)


def test_a_run_that_cannot_be_a_pattern_says_how_to_begin_without_one(cli: Cli, results: Path, own: Path) -> None:
    (own / "overrides.txt").write_text("no.such.key=1\n", encoding="utf-8")
    code, text = cli("new")
    assert code == 2
    assert own.name in text
    assert "--from-defaults" in text
    assert cli("new", "--from-defaults")[0] == 0


def test_a_damaged_journal_does_not_keep_a_run_from_being_the_pattern(cli: Cli, results: Path, own: Path) -> None:
    (own / "events.jsonl").write_text("", encoding="utf-8")
    assert cli("new", "seed=1")[0] == 0
    assert experiment(current(results)).gate.c.lora.r == 4


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["model=local"], "model.path: not set; add model.path=FOLDER."),
        (["model=local", "model.path=/no/such/folder"], "/no/such/folder is not a folder"),
        (["model=local", "model.path=no-such-folder"], "no-such-folder is not a folder"),
        (["model=local", "model.path=./org/name"], "is not a folder"),
        (["model=local", "model.path=~nobody-of-this-name/x"], "no home folder"),
        (["model=local", "model.path=tests/no-such-model"], "is not a folder"),
        (["model=tiny_random", "model.path=tiny_random:lama"], "llama"),
        (["dataset=jsonl", "dataset.eval=/no/e.jsonl", "dataset.train=/no/t.jsonl"], "dataset.eval"),
        (["verifier.engine=/no/such/engine"], "verifier.engine: /no/such/engine"),
        (["tracker=mlflow"], "mlflow"),
        (["backend=somewhere"], "backend"),
    ],
)
@pytest.mark.parametrize("command", ["new", "advance"])
def test_nothing_is_made_of_what_is_not_there(
    cli: Cli, results: Path, command: str, words: list[str], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.advance.trackers.find_spec", lambda name: None)
    code, text = cli(command, "profile=smoke", *words)
    assert code == 2, text
    assert says in text
    assert "Traceback" not in text
    assert not results.exists()


def test_nothing_is_made_for_a_backend_that_is_not_installed(
    cli: Cli, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.backends.find_spec", lambda name: None)
    code, text = cli("new", "profile=smoke", "backend=unsloth")
    assert code == 2
    assert "make setup-unsloth" in text
    assert not results.exists()


def test_a_name_of_the_hub_is_no_missing_folder(cli: Cli) -> None:
    assert cli("new", "profile=smoke", "model=local", "model.path=Qwen/Qwen3-4B")[0] == 0


# --- what is said


def test_new_and_runs_say_what_each_run_is_what_differs_and_which_is_current(
    cli: Cli, results: Path, own: Path
) -> None:
    code, text = cli("new", "seed=1", "gate.c.train.max_steps=9")
    assert code == 0
    made = current(results)
    assert f"created {made}" in text
    assert f"(was {own.name})" in text
    assert "profile smoke · my-model · luanti_mini" in text
    listed = cli("runs")[1]
    assert re.search(rf"^● {made.name}", listed, re.MULTILINE)
    assert re.search(rf"^  {own.name}", listed, re.MULTILINE)
    assert f"my-model · luanti_mini · smoke · like {own.name} seed=1 gate.c.train.max_steps=9" in listed
    told = {row["id"]: row for row in json.loads(cli("runs", "--json")[1])}
    assert told[made.name]["current"] is True
    assert told[own.name]["current"] is False
    assert told[made.name]["origin"]["like"] == own.name
    assert "seed 0 → 1" in told[made.name]["origin"]["differs"]


def test_the_list_says_what_was_changed_since(cli: Cli, results: Path, own: Path, model: Path) -> None:
    other = model.with_name("another")
    model.rename(other)
    assert cli("rewind", "A", f"model.path={other}")[0] == 0
    assert "another · luanti_mini · smoke · changed since: model.path" in cli("runs")[1]


def test_naming_another_run_says_that_it_is_current_now(
    cli: Cli, results: Path, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.advance.loop.advance", lambda *_: 0)
    cli("new", "seed=1")
    made = current(results)
    assert f"current run: {own.name} (was {made.name})" in cli("advance", "--run", own.name)[1]
    assert current_name(results) == own.name
    assert "current run:" not in cli("advance", "--run", own.name)[1], "said when it changes, not each time"


# --- what is named to be typed next


def test_the_way_out_of_a_refused_override_keeps_the_experiment(
    cli: Cli, results: Path, small_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = small_run.folder.parent
    monkeypatch.setenv("LUAGATE_RESULTS", str(kept))
    (small_run.folder / "overrides.txt").write_text("profile=smoke\ngate.c.lora.r=4\n", encoding="utf-8")
    command = new_command(small_run.folder, ["seed=1"])
    assert command == "python -m runner new seed=1"
    assert cli(*shlex.split(command)[3:])[0] == 0
    assert experiment(current(kept)).gate.c.lora.r == 4
    elsewhere = new_command(small_run.folder, ["seed=2"])
    assert elsewhere == f"python -m runner new seed=2 --like {small_run.id}", "the new run is current now"
    assert cli(*shlex.split(elsewhere)[3:])[0] == 0
    assert Run.open(current(kept)).journal.events[0].data["like"] == small_run.id


def test_the_way_out_names_results_that_are_not_the_usual_ones(small_run: Run, tmp_path: Path) -> None:
    words = shlex.split(new_command(small_run.folder, []))
    assert words[3:] == ["new", "--like", str(small_run.folder), "--results", str(small_run.folder.parent)]


def test_status_tells_of_an_edit_by_hand_before_an_advance_meets_it(cli: Cli, results: Path, own: Path) -> None:
    assert "by hand" not in cli("status")[1]
    edit_config(Run.open(own), "max_steps: 6", "max_steps: 9")
    assert "config.yaml was changed by hand, not recorded yet: gate.c.train.max_steps: 6 became 9" in cli("status")[1]
    assert json.loads(cli("status", "--json")[1])["hand_edits"] == ["gate.c.train.max_steps: 6 became 9"]
    (own / "config.yaml").write_text("seed: [", encoding="utf-8")
    code, text = cli("status")
    assert code == 0
    assert "config.yaml, line 1: not YAML" in text
    assert len(run_folders(results)) == 1
