"""An override means what its reader expects: a new line is one, any path is a path, a value that cannot work is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from env.refusal import Refusal
from runner.runs.config import compose_experiment
from runner.runs.folder import Run, run_folders
from tests.support.run_edits import edit_config
from tests.support.runs import SMOKE, Cli

# Each in a folder's name: what shells, YAML, Hydra and OmegaConf give a meaning.
SIGNS = (
    "a=b",
    "a,b",
    "a#b",
    "~a",
    "a~b",
    "(a)",
    "a(b",
    "[a]",
    "a[b",
    "{a}",
    "a'b",
    "a&b",
    "a b",
    "é",
    "模型",
    "${seed}",
    "a:b",
    "$a",
    "@a",
    "a;b",
    "%a",
    "a|b",
    "*",
    "a\\b",
    "null",
    "1e5",
)


def refusal(*overrides: str) -> str:
    with pytest.raises(Refusal) as caught:
        compose_experiment(list(overrides))
    return str(caught.value)


@pytest.mark.parametrize("sign", SIGNS)
def test_a_path_is_taken_as_it_was_typed(tmp_path: Path, sign: str) -> None:
    folder = tmp_path / sign
    folder.mkdir()
    rows = folder / f"{sign}.jsonl"
    rows.write_text("{}\n", encoding="utf-8")
    words = ["model=local", f"model.path={folder}", "dataset=jsonl", f"dataset.eval={rows}", f"dataset.train={rows}"]
    experiment, config = compose_experiment([*SMOKE, *words])
    assert experiment.model.path == str(folder)
    assert config["dataset"]["eval"] == config["dataset"]["train"] == str(rows)


@pytest.mark.parametrize("quote", ["'", '"'])
def test_quotes_around_a_path_are_no_part_of_it(tmp_path: Path, quote: str) -> None:
    assert compose_experiment(["model=local", f"model.path={quote}{tmp_path}{quote}"])[0].model.path == str(tmp_path)


def test_a_relative_path_and_one_below_the_home_folder_become_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my,model").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for typed in ("my,model", "./my,model", "~/my,model"):
        assert compose_experiment(["model=local", f"model.path={typed}"])[0].model.path == str(tmp_path / "my,model")


def test_a_file_beside_the_command_never_takes_the_place_of_a_default_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "training/tiny/model").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert not compose_experiment([])[0].model.path.startswith(str(tmp_path))


def test_text_with_signs_of_the_grammar_is_text_where_the_key_takes_text() -> None:
    reason = "measured (once), for comparison: 50% [sic] = fine"
    experiment, _ = compose_experiment([f"gate.a.waivers.exact_leaks={reason}"])
    assert experiment.gate.a.waivers["exact_leaks"] == reason


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (r'["\n```\n"]', ("\n```\n",)),
        (r"""["\n```\n",'\n']""", ("\n```\n", "\\n")),
        (r'["a\tb","\u00e9","say \"no\"","c:\\new"]', ("a\tb", "é", 'say "no"', "c:\\new")),
        ('["</s>"]', ("</s>",)),
    ],
)
def test_a_double_quoted_text_has_the_escapes_that_conf_shows(typed: str, meant: tuple[str, ...]) -> None:
    assert compose_experiment([f"sampling.stop={typed}"])[0].sampling.stop == meant


def test_a_new_line_written_by_hand_into_the_configuration_stays_one_override(cli: Cli, results: Path) -> None:
    cli("new", *SMOKE)
    [folder] = run_folders(results)
    run = Run.open(folder)
    edit_config(run, "stop: []", 'stop: ["\\n```\\n"]')
    assert cli("rewind", "A", "seed=4")[0] == 0
    assert run.overrides() == [*SMOKE, r'sampling.stop=["\n```\n"]', "seed=4"]
    assert compose_experiment(run.overrides())[0].sampling.stop == ("\n```\n",)


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ('sampling.stop=[""]', "sampling.stop.0: must not be empty"),
        ("verifier.timeout_s=0", "verifier.timeout_s = 0.0: must be 0.1 to 3,600"),
        ("verifier.cpu_s=-1", "verifier.cpu_s = -1.0: must be"),
        ("verifier.workers=100000", "verifier.workers = 100000: must be 0 to 1,024"),
        ("verifier.memory_mb=0", "verifier.memory_mb = 0: must be"),
        ("verifier.recycle_after=0", "verifier.recycle_after = 0: must be"),
        ("model.processes=100000", "model.processes = 100000: must be 1 to 256"),
        ("model.threads=100000", "model.threads = 100000: must be"),
        ("model=local", "model.path: not set; add model.path=FOLDER"),
        ("seed=[1", "seed: the value [1 cannot be read"),
        ("seed=1,2", "seed: the value 1,2 cannot be read"),
        ("model.path=", "model.path"),
    ],
)
def test_a_value_that_cannot_work_is_refused_by_its_key(override: str, says: str) -> None:
    assert says in refusal(override)


def test_bad_values_of_all_sections_come_at_once() -> None:
    text = refusal("verifier.timeout_s=0", "verifier.workers=-1", "model.threads=-1", "sampling.top_p=3", "sede=1")
    for key in ("verifier.timeout_s", "verifier.workers", "model.threads", "sampling.top_p", "sede"):
        assert key in text


def test_a_run_with_an_odd_path_is_made_changed_and_copied(cli: Cli, results: Path, tmp_path: Path) -> None:
    odd = tmp_path / "o'dd, (é) = #1"
    shutil.copytree(Path(compose_experiment([])[0].model.path), odd)
    assert cli("new", *SMOKE, "model=local", f"model.path={odd}")[0] == 0
    assert cli("rewind", "A", "seed=4")[0] == 0
    assert cli("new", "seed=5")[0] == 0
    shown = json.loads(cli("config", "model", "--json")[1])
    assert shown["path"] == str(odd)
