"""What is given in place of a model's folder is called by its name, with what to give instead."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from env.refusal import Refusal
from runner.runs.folder import run_folders
from tests.support.runs import PROJECT, Cli
from training.backends.local.model_folder import find_folder, require_files


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return Path(shutil.copytree(PROJECT / "training" / "tiny" / "model", tmp_path / "my model"))


def refused(folder: Path) -> str:
    with pytest.raises(Refusal) as caught:
        require_files(folder)
    return str(caught.value)


def test_an_adapter_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    assert "this is a LoRA adapter, not a model" in refused(tmp_path)
    assert "export --form merged" in refused(tmp_path)


def test_a_folder_around_the_model_names_the_one_inside(tmp_path: Path, model: Path) -> None:
    assert f"model.path={model}" in refused(tmp_path)
    cached = tmp_path / "models--a--b" / "snapshots" / "0f3a"
    shutil.copytree(model, cached)
    assert f"model.path={cached}" in refused(tmp_path / "models--a--b")


def test_a_gguf_file_or_a_folder_of_one_is_told_to_be_converted(tmp_path: Path) -> None:
    packed = tmp_path / "model-Q4.gguf"
    packed.touch()
    assert "it holds model-Q4.gguf. GGUF cannot be trained" in refused(tmp_path)
    with pytest.raises(Refusal, match="GGUF cannot be trained"):
        find_folder(str(packed), "")


def test_a_file_of_weights_is_told_its_folder(model: Path) -> None:
    with pytest.raises(Refusal, match="a file, not a model's folder") as caught:
        find_folder(str(model / "model.safetensors"), "")
    assert caught.value.fix.endswith(f"model.path={model}")


@pytest.mark.parametrize("lost", ["config.json", "model.safetensors", "tokenizer.json"])
def test_no_run_is_made_on_an_incomplete_folder(cli: Cli, results: Path, model: Path, lost: str) -> None:
    (model / lost).unlink()
    code, printed = cli("new", "profile=local", f"model.path={model}")
    assert code == 2
    assert f"{lost} is missing" in printed
    assert not run_folders(results)


def test_no_run_is_made_on_a_file(cli: Cli, results: Path, model: Path) -> None:
    code, printed = cli("new", "profile=local", f"model.path={model / 'model.safetensors'}")
    assert (code, run_folders(results)) == (2, [])
    assert "a file, not a model's folder" in printed
