"""Claims about the random models: the same bytes for the same recipe, made once, whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from env.files import sha256_file
from env.refusal import Refusal
from training.tiny_random import cache
from training.tiny_random.__main__ import main
from training.tiny_random.architectures import ARCHITECTURES
from training.tiny_random.cache import cached_folder, is_recipe, made_folder, write_model

WEIGHTS = "model.safetensors"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_weights_follow_from_the_seed_alone(tmp_path: Path) -> None:
    import torch

    for name, seed in (("first", 0), ("again", 0), ("other", 1)):
        torch.manual_seed(len(name))
        write_model(tmp_path / name, "qwen3", seed)
    first, again, other = (sha256_file(tmp_path / name / WEIGHTS) for name in ("first", "again", "other"))
    assert first == again != other


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_a_model_is_of_its_architecture_and_its_tokens_fit(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    write_model(folder, name, seed=0)
    config = json.loads((folder / "config.json").read_text())
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokens = {**tokenizer["model"]["vocab"], **{one["content"]: one["id"] for one in tokenizer["added_tokens"]}}
    assert config["model_type"] == ARCHITECTURES[name].model_type
    assert config["vocab_size"] == len(tokens) == max(tokens.values()) + 1
    ends = json.loads((folder / "generation_config.json").read_text())["eos_token_id"]
    assert ends == [tokens[end] for end in ARCHITECTURES[name].ends]
    assert all(token in tokens for token in ARCHITECTURES[name].tokens)
    assert sum(file.stat().st_size for file in folder.iterdir()) < 6e6


def test_a_model_is_made_once_and_leaves_nothing_half_made(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = "tiny_random:llama"
    assert is_recipe(path)
    assert not is_recipe("org/name")
    folder = made_folder(path)
    assert folder == cached_folder(path)
    monkeypatch.setattr(cache, "_write_elsewhere", None)
    assert made_folder(path) == folder
    assert [entry.name for entry in (home / "luagate").iterdir()] == [folder.name]


def test_a_killed_attempt_is_not_taken_for_a_model(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = "tiny_random:llama"

    def killed(folder: Path, name: str) -> None:
        folder.mkdir()
        (folder / "config.json").write_text("{}")
        raise KeyboardInterrupt

    real = cache._write_elsewhere
    monkeypatch.setattr(cache, "_write_elsewhere", killed)
    with pytest.raises(KeyboardInterrupt):
        made_folder(path)
    assert not cached_folder(path).exists()
    monkeypatch.setattr(cache, "_write_elsewhere", real)
    assert (made_folder(path) / WEIGHTS).is_file()


def test_another_recipe_is_another_folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = cached_folder("tiny_random:llama")
    monkeypatch.setitem(cache.SMALL, "hidden_size", 32)
    assert cached_folder("tiny_random:llama") != before


def test_an_unknown_architecture_is_answered_with_the_nearest(home: Path) -> None:
    with pytest.raises(Refusal) as refused:
        made_folder("tiny_random:mistrall")
    assert refused.value.fix == 'Did you mean "mistral"?'


def test_the_command_writes_a_model_and_overwrites_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "model"
    assert main(["llama", str(folder), "--seed", "3"]) == 0
    assert capsys.readouterr().out.strip() == str(folder)
    before = sha256_file(folder / WEIGHTS)
    assert main(["llama", str(folder)]) == 2
    assert "already exists" in capsys.readouterr().err
    assert sha256_file(folder / WEIGHTS) == before
