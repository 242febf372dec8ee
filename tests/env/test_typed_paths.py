"""Every command of the project refuses a path that cannot be used in a sentence, and replaces no device by a file."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pytest

from env.files import write_atomic
from env.installed.typed_words import carried_out, strange_word, unusable_path
from env.refusal import Refusal
from eval.datasets.__main__ import main as datasets
from eval.dealing.corpus import main as write_texts
from eval.domains.luanti.mini.generate import DEALER
from training.tiny_random.__main__ import main as tiny_random

TOO_LONG = "x" * 300
mini = partial(write_texts, DEALER, "python -m eval.domains.luanti.mini")


def test_a_device_or_a_pipe_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Refusal, match="a device or a pipe"):
        write_atomic(tmp_path / "pipe", "text")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"], "no part of a file is left"


@pytest.mark.parametrize(
    ("main", "words"),
    [
        (datasets, ["export", "--out", TOO_LONG]),
        (datasets, ["export", "--out", ""]),
        (datasets, ["export", "--out", "a\nb"]),
        (datasets, ["validate", "--engine", TOO_LONG]),
        (tiny_random, ["llama", TOO_LONG]),
        (tiny_random, ["llama", ""]),
        (mini, ["corpus", "--rows", "1", "--out", "/dev/null"]),
        (mini, ["corpus", "--rows", "0", "--out", "corpus.jsonl"]),
    ],
)
def test_a_module_that_is_a_command_says_a_sentence(
    main: Callable[[Sequence[str]], int], words: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    told = capfd.readouterr().err
    assert told.count("\n") == 1
    assert told.strip()


def test_a_file_that_is_missing_without_having_been_typed_is_our_fault() -> None:
    assert unusable_path(FileNotFoundError(2, "No such file", "/conf/model.yaml")) is None
    with pytest.raises(FileNotFoundError):
        carried_out(lambda _words: len(Path("/nonexistent").read_text()), [])


def test_overrides_have_rules_of_their_own() -> None:
    assert strange_word(["new", "prompt.system=two\nlines", "--run", "a"]) is None
    assert strange_word(["new", "sampling.stop="]) is None
