"""Durable files keep their promises through kills, full disks and torn lines."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from env import files
from env.files import append_lines, digest, make_folder, read_lines, remove_leftovers, sha256_file, write_atomic
from env.refusal import Refusal

ROOT = Path(__file__).resolve().parents[2]


def run_python(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        cwd=ROOT, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip


def test_write_atomic_replaces_the_whole_content_and_leaves_no_temporary_file(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    write_atomic(path, "a long first version")
    write_atomic(path, "zweite: ü")
    assert path.read_text(encoding="utf-8") == "zweite: ü"
    assert list(tmp_path.iterdir()) == [path]


def test_write_atomic_makes_missing_folders(tmp_path: Path) -> None:
    write_atomic(tmp_path / "run" / "gate_a" / "report.json", b"x")
    assert (tmp_path / "run" / "gate_a" / "report.json").read_bytes() == b"x"


def test_a_kill_between_writing_and_renaming_leaves_the_old_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    write_atomic(path, "old")
    result = run_python(
        """
        import os, signal, sys
        from pathlib import Path
        from env.files import write_atomic
        os.replace = lambda *a: os.kill(os.getpid(), signal.SIGKILL)
        write_atomic(Path(sys.argv[1]), "new" * 1000)
        """,
        path,
    )
    assert result.returncode == -signal.SIGKILL
    assert path.read_text() == "old"
    assert len(remove_leftovers(tmp_path)) == 1
    assert list(tmp_path.iterdir()) == [path]
    write_atomic(path, "new")
    assert path.read_text() == "new"


def test_the_data_is_flushed_before_the_rename_and_the_folder_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, os.replace

    def recorded_fsync(descriptor: int) -> None:
        steps.append("fsync folder" if os.path.isdir(f"/dev/fd/{descriptor}") else "fsync file")
        fsync(descriptor)

    def recorded_replace(source: Path, target: Path) -> None:
        steps.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(os, "replace", recorded_replace)
    write_atomic(tmp_path / "x", "data")
    assert steps == ["fsync file", "rename", "fsync folder"]


def test_appended_lines_come_back_in_order(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    assert append_lines(path, ["a", "b\u2028still b"]) == 0
    assert append_lines(path, []) == 0
    assert append_lines(path, ["c"]) == 0
    assert read_lines(path) == ["a", "b\u2028still b", "c"]


def test_append_lines_writes_once_however_many_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: sizes.append(len(data)) or write(fd, data))
    append_lines(tmp_path / "x.jsonl", ["1234"] * 100)
    assert sizes == [500]


def test_a_torn_last_line_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"a":1}\n{"a":')
    assert read_lines(path) == ['{"a":1}']


@pytest.mark.parametrize("torn", [b'{"a":', b"\0" * 200_000, b"\xc3"])
def test_append_cuts_a_torn_last_line_first_and_says_how_much(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"one\n" + torn)
    assert append_lines(path, ["two"]) == len(torn)
    assert path.read_bytes() == b"one\ntwo\n"


def test_append_to_a_file_that_is_one_torn_line_starts_it_again(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"never finished")
    assert append_lines(path, ["two"]) == 14
    assert read_lines(path) == ["two"]


def test_a_line_with_a_newline_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    with pytest.raises(ValueError, match="newline"):
        append_lines(path, ["fine", "not\nfine"])
    assert not path.exists()


def test_no_file_is_no_lines_and_a_damaged_line_is_refused_by_number(tmp_path: Path) -> None:
    assert read_lines(tmp_path / "absent.jsonl") == []
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"fine\n\xff\n")
    with pytest.raises(Refusal, match=r"x\.jsonl:2: not UTF-8"):
        read_lines(path)


def test_an_append_that_the_disk_cuts_short_leaves_only_complete_lines(tmp_path: Path) -> None:
    """RLIMIT_FSIZE gives a real short write, as a full disk does."""
    path = tmp_path / "x.jsonl"
    append_lines(path, ["first"])
    result = run_python(
        """
        import resource, sys
        from pathlib import Path
        from env.files import append_lines
        from env.refusal import Refusal
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        try:
            append_lines(Path(sys.argv[1]), ["x" * 5000])
        except Refusal as refusal:
            print(refusal)
        """,
        path,
    )
    assert str(path) in result.stdout
    assert "no space left" in result.stdout
    assert "5,001 bytes" in result.stdout
    assert path.read_bytes() == b"first\n"


def test_a_full_disk_refuses_an_atomic_write_with_path_and_need_and_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write_atomic(path, "old")
    result = run_python(
        """
        import resource, sys
        from pathlib import Path
        from env.files import write_atomic
        from env.refusal import Refusal
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        try:
            write_atomic(Path(sys.argv[1]), "x" * 2_500_000)
        except Refusal as refusal:
            print(refusal)
        """,
        path,
    )
    assert "no space left" in result.stdout
    assert "2.5 MB" in result.stdout
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.json"]
    assert path.read_text() == "old"


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "no space left"),
        (errno.EDQUOT, "no space left"),
        (errno.EACCES, "not allowed to write"),
        (errno.EROFS, "read-only"),
        (errno.ENOTDIR, "there is a file where a folder"),
    ],
)
def test_a_disk_that_refuses_becomes_one_sentence_with_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(files.os, "open", refuse)
    for write in (lambda p: write_atomic(p, "x"), lambda p: append_lines(p, ["x"])):
        with pytest.raises(Refusal, match=words) as caught:
            write(tmp_path / "x.json")
        assert str(tmp_path / "x.json") in caught.value.sentence
        assert caught.value.fix


def test_an_unexplained_error_is_a_crash_not_a_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> int:
        raise OSError(errno.EIO, "input/output error")

    monkeypatch.setattr(files.os, "open", fail)
    with pytest.raises(OSError, match="input/output"):
        write_atomic(tmp_path / "x", "x")


def test_a_file_in_the_way_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("")
    with pytest.raises(Refusal, match="there is a file where a folder should be"):
        make_folder(tmp_path / "results" / "run")


def test_sha256_file_is_that_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    # FIPS 180-2, appendix B.1
    assert sha256_file(tmp_path / "x") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    with pytest.raises(Refusal, match="no such file"):
        sha256_file(tmp_path / "absent")


def test_a_digest_ignores_the_order_of_keys_and_nothing_else() -> None:
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": (1, 2), "a": 1})
    assert len({digest(d) for d in ({"a": 1}, {"a": "1"}, {"a": 1.5}, {"a": None}, {"a": [1]}, {"b": 1})}) == 6


def test_a_digest_refuses_what_two_inputs_could_share() -> None:
    with pytest.raises(ValueError, match="Out of range"):
        digest({"loss": float("nan")})
    with pytest.raises(TypeError, match="not text"):
        digest({"a": [{1: "x"}]})
    with pytest.raises(TypeError):
        digest({"a": Path("x")})


def test_file_size_limits_are_those_of_the_child_only() -> None:
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 1000
