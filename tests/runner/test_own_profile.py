"""A profile of the user's own: a file anywhere, begun with one command, kept by the run, explained where a line lacks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from env.refusal import Refusal
from runner.changing.starter import EXPLAINED, starter
from runner.runs import locations, own_profile
from runner.runs.config import compose_experiment, read_config
from runner.runs.folder import Run, find_run
from runner.runs.own_profile import PACKAGE_LINE
from runner.runs.plain_config import leaves
from tests.support.runs import PROJECT, Cli

DOCTOR = pytest.param("doctor", marks=pytest.mark.heavy)  # it loads the model
MINE = """# @package _global_
# mine: a rehearsal of my own.
defaults:
  - override /gate/a: cuda
  - override /dataset: luantibench
model:
  quantization: none
sampling:
  top_k: 99
gate:
  c:
    train:
      max_steps: 77
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    file = tmp_path / "my profiles" / "mine.yaml"
    file.parent.mkdir()
    file.write_text(MINE, encoding="utf-8")
    return file


def current(results: Path) -> Path:
    folder = find_run(results, None)
    assert folder is not None
    return folder


def test_a_profile_outside_the_checkout_is_one_like_any_other(mine: Path) -> None:
    experiment, _ = compose_experiment([f"profile={mine}"])
    assert experiment.profile == "mine", "named after its file where it gives no name"
    assert (experiment.sampling.top_k, experiment.gate.c.train.max_steps) == (99, 77)
    assert (experiment.model.quantization, experiment.dataset.name) == ("none", "luantibench")
    assert compose_experiment([f"profile={mine}", "size=smoke"])[0].gate.c.train.max_steps == 6, (
        "the size comes after it"
    )
    assert compose_experiment([f"profile={mine}", "gate.c.train.max_steps=50"])[0].gate.c.train.max_steps == 50
    assert compose_experiment([])[0].profile == "tiny", "it leaves nothing behind"


def test_relative_paths_in_it_are_read_from_its_folder(mine: Path) -> None:
    shutil.copytree(Path(compose_experiment([])[0].model.path), mine.parent / "weights")
    mine.write_text(MINE.replace("model:\n", "model:\n  path: weights\n"), encoding="utf-8")
    assert compose_experiment([f"profile={mine}"])[0].model.path == str(mine.parent / "weights")


@pytest.mark.parametrize("command", ["new", "config", DOCTOR])
def test_it_is_named_by_an_option_from_any_folder(
    cli: Cli, results: Path, mine: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(mine.parent)
    code, text = cli(command, "--config", "mine.yaml", "size=smoke")
    assert code == 0, text
    if command == "config":
        assert "profile: mine" in text
    if command == "new":
        assert "_mine_" in current(results).name


def test_two_profiles_are_refused(cli: Cli, mine: Path) -> None:
    code, text = cli("new", "--config", str(mine), "profile=smoke")
    assert code == 2
    assert "Two profiles" in text


def test_a_run_keeps_its_profile_when_the_file_is_gone_and_the_run_moves(cli: Cli, results: Path, mine: Path) -> None:
    assert cli("new", "--config", str(mine), "size=smoke")[0] == 0
    mine.unlink()
    made = current(results)
    moved = results / "moved"
    made.rename(moved)
    assert cli("rewind", "A", "seed=4", "--run", "moved")[0] == 0
    assert read_config(moved / "config.yaml")[0].sampling.top_k == 99
    assert (moved / "overrides.txt").read_text(encoding="utf-8").splitlines()[0] == 'profile="./profile/mine.yaml"'
    assert cli("new", "--like", "moved", "seed=5")[0] == 0
    shutil.rmtree(moved)
    assert cli("rewind", "A", "seed=6")[0] == 0, "the new run has a copy of its own"
    experiment = read_config(current(results) / "config.yaml")[0]
    assert (experiment.seed, experiment.profile, experiment.sampling.top_k) == (6, "mine", 99)


def test_a_changed_file_changes_no_run_that_was_made_with_it(cli: Cli, results: Path, mine: Path) -> None:
    cli("new", "--config", str(mine), "size=smoke")
    mine.write_text(MINE.replace("99", "11"), encoding="utf-8")
    assert cli("rewind", "A", "seed=4")[0] == 0
    assert read_config(current(results) / "config.yaml")[0].sampling.top_k == 99


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            MINE.removeprefix("# @package _global_\n"),
            ["lacks the line `# @package _global_`", "first line of mine.yaml"],
        ),
        ("# @package _global_\nseed: [1\n", ["mine.yaml, line"]),
        ("# @package _global_\nseed: 1\nseed: 2\n", ["mine.yaml, line 3", "seed"]),
        ("# @package _global_\n- 1\n", ["holds no keys"]),
        ("", ["lacks the line"]),
        ("# @package _global_\nsede: 1\n", ["sede: no such key", '"seed"']),
        ("# @package _global_\ndefaults:\n  - override /model: tinny\n", ["tinny"]),
        ("# @package _global_\nprofile: 7\n", ["profile"]),
    ],
)
def test_a_profile_that_is_none_is_refused_by_its_line_or_key(
    cli: Cli, results: Path, mine: Path, text: str, says: list[str]
) -> None:
    mine.write_text(text, encoding="utf-8")
    code, printed = cli("new", "--config", str(mine))
    assert code == 2, printed
    assert "Traceback" not in printed
    assert "_own" not in printed
    for words in says:
        assert words in printed
    assert not results.exists()


def test_a_profile_that_is_not_there_says_how_one_is_written(cli: Cli, tmp_path: Path) -> None:
    code, text = cli("new", "--config", str(tmp_path / "none.yaml"))
    assert code == 2
    assert "none.yaml is not a file" in text
    assert "config --starter FILE" in text


@pytest.fixture
def conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of conf/ to add choices to."""
    copy = tmp_path / "conf"
    shutil.copytree(locations.CONF, copy)
    monkeypatch.setattr("runner.runs.config.CONF", copy)
    monkeypatch.setattr(own_profile, "CONF", copy)
    return copy


@pytest.mark.parametrize(
    ("name", "text", "override"),
    [
        ("profile/mine.yaml", "profile: mine\nseed: 3\n", "profile=mine"),
        ("gate/c/mine.yaml", "gate:\n  c:\n    lora:\n      r: 3\n", "gate/c=mine"),
        ("backend/mine.yaml", "backend:\n  name: mlx\n", "backend=mine"),
    ],
)
def test_a_choice_of_conf_without_the_line_is_explained(conf: Path, name: str, text: str, override: str) -> None:
    (conf / name).write_text(text, encoding="utf-8")
    with pytest.raises(Refusal, match="lacks the line `# @package _global_`") as caught:
        compose_experiment([override])
    assert f"conf/{name}" in str(caught.value)


@pytest.mark.parametrize("profile", ["tiny", "smoke", "cpu_small", "cuda_mistral_7b", "h200"])
def test_a_starter_gives_what_it_was_written_from(tmp_path: Path, profile: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(starter(file.name, [f"profile={profile}", "seed=3"]), encoding="utf-8")
    wanted = leaves(compose_experiment([f"profile={profile}", "seed=3"])[1])
    assert leaves(compose_experiment([f"profile={file}"])[1]) == wanted | {"profile": "mine"}
    assert set(EXPLAINED) <= set(wanted), "every explained key is one"


def test_a_choice_on_the_command_line_wins_over_the_keys_of_a_profile(mine: Path) -> None:
    """What the choice says itself; everything else stays as the profile says."""
    lines = [PACKAGE_LINE, "defaults:", "  - override /model: local", "seed: 7", "model:"]
    lines += ["  path: /srv/models/mine", "  quantization: none", "  batch_size: 8", ""]
    mine.write_text("\n".join(lines), encoding="utf-8")
    named = f"profile={mine}"
    model = compose_experiment([named])[0].model
    assert (model.path, model.quantization, model.batch_size) == ("/srv/models/mine", "none", 8)
    experiment, config = compose_experiment([named, "model=tiny"])
    assert Path(config["model"]["path"]) == PROJECT / "training" / "tiny" / "model"
    assert (experiment.model.batch_size, experiment.model.quantization, experiment.seed) == (256, "none", 7)
    assert compose_experiment([named, "model=local"])[0].model.path == "/srv/models/mine", "local names no path"
    assert compose_experiment([named, "model=tiny", "model.path=/other"])[0].model.path == "/other"


def test_a_profile_of_an_earlier_version_is_read_as_this_one_writes_it(mine: Path) -> None:
    lines = [PACKAGE_LINE, "defaults:", "  - override /model: tiny_random_qwen3", "  - override /gate/c: lora", ""]
    mine.write_text("\n".join(lines), encoding="utf-8")
    model = compose_experiment([f"profile={mine}"])[0].model
    assert (model.path, model.quantization) == ("tiny_random:qwen3", "none")


def test_a_starter_names_the_domain_of_files_and_none_of_a_dataset_that_has_one(tmp_path: Path) -> None:
    files = starter("mine.yaml", ["dataset=jsonl", "dataset.eval=a.jsonl", "dataset.train=b.jsonl"])
    assert "  domain: luanti   # what your files are about" in files
    assert "domain:" not in starter("mine.yaml", ["profile=tiny"])


def test_one_command_writes_a_starter_and_never_over_a_file(cli: Cli, results: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    code, text = cli("config", "--starter", str(file), "profile=cpu_small", "model=local")
    assert code == 0, text
    assert f"doctor --model --config {file}" in text
    written = file.read_text(encoding="utf-8")
    assert written.startswith("# @package _global_\n")
    assert "path: /path/to/your/model" in written
    assert json.loads(cli("config", "--config", str(file), "--json")[1])["profile"] == "mine"
    assert cli("config", "--starter", str(file))[0] == 2
    assert file.read_text(encoding="utf-8") == written
    assert not results.exists()


def test_a_profile_that_is_named_wins_over_what_a_run_like_another_takes_on(
    cli: Cli, results: Path, mine: Path
) -> None:
    lines = [PACKAGE_LINE, "defaults:", "  - override /model: tiny", "seed: 7", "rule:", "  margin_pp: 9.0", ""]
    mine.write_text("\n".join(lines), encoding="utf-8")
    other = ["model=tiny_random", "model.path=tiny_random:llama", "seed=3", "rule.margin_pp=12", "rule.alpha=0.1"]
    assert cli("new", "profile=smoke", *other)[0] == 0
    config = json.loads(cli("config", "--config", str(mine), "--json")[1])
    assert Path(config["model"]["path"]) == PROJECT / "training" / "tiny" / "model"
    assert (config["seed"], config["rule"]["margin_pp"], config["rule"]["alpha"]) == (7, 9.0, 0.1)
    code, text = cli("new", "--config", str(mine), "seed=8")
    assert code == 0, text
    assert "kept: rule.alpha=0.1   --from-defaults drops them" in text
    assert Run.open(current(results)).info.profile == mine.stem
    # and a run like that one keeps what was typed beside the profile
    assert json.loads(cli("config", "rule.alpha=0.2", "--json")[1])["seed"] == 8


# --- what a preview shows


def test_a_preview_is_what_new_would_make(cli: Cli, results: Path) -> None:
    cli("new", "profile=smoke", "seed=3")
    for words in (
        ["profile=tiny"],
        ["model.quantization=none", "seed=4"],
        ["size=full"],
        ["profile=cpu_small", "size=smoke"],
    ):
        previewed = json.loads(cli("config", *words, "--json")[1])
        assert cli("new", *words)[0] == 0
        assert json.loads(cli("config", "--json")[1]) == previewed
    assert Run.open(current(results)).info.profile == "cpu_small"


def test_a_preview_changes_nothing_and_takes_a_key_to_show(cli: Cli, results: Path) -> None:
    cli("new", "profile=smoke")
    before = current(results)
    assert cli("config", "seed", "seed=9")[1].strip() == "9"
    assert cli("config", "seed=9", "seed", "--from-defaults")[1].strip() == "9"
    assert cli("config", "seed")[1].strip() == "0"
    assert "seed: 0 -> 9" in cli("config", "seed=9", "--diff")[1]
    assert current(results) == before
    code, text = cli("config", "seed", "rule")
    assert code == 2
    assert "Two keys" in text
