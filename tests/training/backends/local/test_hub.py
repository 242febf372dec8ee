"""Models of the hub: each way to fail has its own sentence and remedy, a download has a pulse, a revision is one key."""

from __future__ import annotations

import errno
import time
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import constants, errors

from env.refusal import Refusal
from training.backends.local import hub
from training.backends.local.hub import cached, commit_of, download, downloads_told
from training.backends.local.model_folder import find_folder, model_folder
from training.needs.weight_headers import read_tensors
from training.tiny_random.cache import made_folder

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Answer:
    """What the hub's library keeps of an HTTP answer in its exceptions."""

    def __init__(self, status: int) -> None:
        self.status_code, self.headers, self.request = status, {}, None


def http(kind: type[Exception], status: int) -> Exception:
    """Return one of the library's own exceptions, as it raises it."""
    return kind("the hub's words", response=Answer(status))  # type: ignore[call-arg]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "hub"
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_CACHE", str(folder))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))
    return folder


@pytest.mark.parametrize(
    ("error", "sentence", "fix"),
    [
        (http(errors.GatedRepoError, 403), "the model is gated", "Accept its terms at https://huggingface.co/org/name"),
        (http(errors.RepositoryNotFoundError, 404), "no such model, or it is private", "Check the name"),
        (http(errors.RevisionNotFoundError, 404), "no revision 'v9'", "model.revision=COMMIT"),
        (http(errors.HfHubHTTPError, 429), r"status 429 \(too many requests\)", "Run the command again"),
        (http(errors.HfHubHTTPError, 503), "status 503", "what was downloaded is kept"),
        (errors.OfflineModeIsEnabled("offline"), "HF_HUB_OFFLINE forbids", "Unset HF_HUB_OFFLINE"),
        (errors.LocalEntryNotFoundError("no connection"), "cannot be reached", "Check the connection"),
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full", "HF_HOME"),
        (PermissionError(errno.EACCES, "denied"), "cannot be written", "HF_HOME"),
        (TimeoutError("slow"), "did not answer in time", "Run the command again"),
        (ConnectionResetError("reset"), "cannot be reached", "proxy"),
        (RuntimeError("what nobody expects"), r"did not provide it \(RuntimeError\)", "Check the name"),
    ],
)
def test_each_way_to_fail_has_its_own_remedy(
    monkeypatch: pytest.MonkeyPatch, error: Exception, sentence: str, fix: str
) -> None:
    def failing(*_args: Any, **options: Any) -> str:
        raise errors.LocalEntryNotFoundError("not here") if options.get("local_files_only") else error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", failing)
    with pytest.raises(Refusal, match=sentence) as caught:
        model_folder("org/name", "v9")
    assert fix in caught.value.fix
    assert "'org/name'" in caught.value.sentence


def test_the_library_s_own_time_out_is_told_as_one() -> None:
    transport = pytest.importorskip("httpx2")
    assert "did not answer in time" in hub.refusal_of(transport.ConnectTimeout("slow"), "org/name", "").sentence
    assert "cannot be reached" in hub.refusal_of(transport.ConnectError("refused"), "org/name", "").sentence


def test_a_download_tells_the_bytes_so_far(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []
    monkeypatch.setattr(hub, "_PULSE_S", 0.01)

    def slow(path: str, **options: Any) -> str:
        blobs = cache / "models--org--name" / "blobs"
        blobs.mkdir(parents=True)
        (blobs / "x.incomplete").write_bytes(b"x" * 5000)
        while 5000 not in told:
            time.sleep(0.01)
        return str(cache)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", slow)
    with downloads_told(told.append):
        assert download("org/name", "") == cache
    assert told[-1] == 5000


def test_second_copies_of_the_weights_are_not_downloaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from huggingface_hub.utils import filter_repo_objects

    asked: dict[str, Any] = {}
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda path, **options: asked.update(options) or tmp_path)
    download("org/name", COMMIT)
    assert asked["revision"] == COMMIT
    files = [
        "config.json",
        "model-00001-of-00002.safetensors",
        "consolidated.safetensors",
        "original/model.safetensors",
    ]
    kept = filter_repo_objects(files, allow_patterns=asked["allow_patterns"], ignore_patterns=asked["ignore_patterns"])
    assert list(kept) == files[:2]


def test_a_consolidated_copy_beside_the_shards_counts_once(tmp_path: Path) -> None:
    source = made_folder("tiny_random:llama")
    folder = tmp_path / "model"
    folder.mkdir()
    for file in source.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    before = read_tensors(folder)
    renamed = (folder / "model.safetensors").read_bytes().replace(b"model.layers", b"Model.layers")
    (folder / "consolidated.safetensors").write_bytes(renamed)
    assert read_tensors(folder) == before


def test_the_commit_is_that_of_the_cached_snapshot(cache: Path) -> None:
    snapshot = cache / "models--org--name" / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}", encoding="utf-8")
    (cache / "models--org--name" / "refs").mkdir()
    (cache / "models--org--name" / "refs" / "main").write_text(COMMIT, encoding="utf-8")
    found = cached("org/name", "")
    assert found is not None
    assert commit_of(found) == commit_of(cached("org/name", COMMIT) or Path()) == COMMIT
    assert cached("org/name", "f" * 40) is None
    assert commit_of(Path("/models/snapshots/mine")) == ""


def test_a_revision_of_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="only models of the hub have revisions"):
        find_folder(str(tmp_path), "main")
