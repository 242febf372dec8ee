"""A full disk ends in a sentence with place and need, and never keeps a run from saying how its gate ended."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from env.files import move, refusing, remove_leftovers
from env.refusal import Refusal
from env.reserve import NAME, RESERVE_BYTES, keep_reserve, spend_reserve
from env.space import BLOCK_BYTES, DiskFull, size_text
from tests.support.runs import PROJECT, SMOKE, environment, events, only_run, results_of, runner


def test_the_refusal_names_free_space_need_and_folder(tmp_path: Path) -> None:
    full = DiskFull(tmp_path / "samples.jsonl", 2_600_000, "the 40 samples still to be stored")
    assert str(full.path) in full.sentence
    assert " free, 2.6 MB needed for the 40 samples still to be stored." in full.sentence
    assert full.fix.startswith(f"Free at least 2.6 MB under {tmp_path} ")


def test_the_need_is_at_least_a_block_and_an_estimate_only_raises_it(tmp_path: Path) -> None:
    full = DiskFull(tmp_path / "x", 10)
    assert full.needed_bytes == BLOCK_BYTES
    assert full.needing(5_000_000, "more").needed_bytes == 5_000_000
    assert full.needing(0, "nothing known").needed_bytes == BLOCK_BYTES
    assert full.needing(5_000_000, "more").needing(10, "a part").needed_bytes == 5_000_000


def test_a_folder_that_is_not_there_yet_is_measured_where_it_would_be(tmp_path: Path) -> None:
    assert "unknown" not in DiskFull(tmp_path / "a" / "b" / "c", 1).sentence


@pytest.mark.parametrize(
    ("count", "text"), [(5, "5 bytes"), (99_999, "99,999 bytes"), (100_000, "0.1 MB"), (12_500_000_000, "12.5 GB")]
)
def test_sizes_are_reported_in_the_unit_that_fits(count: int, text: str) -> None:
    assert size_text(count) == text


def test_the_reserve_takes_real_blocks_and_is_kept_once(tmp_path: Path) -> None:
    keep_reserve(tmp_path)
    path = tmp_path / NAME
    first = path.read_bytes()
    assert len(first) == RESERVE_BYTES
    assert path.stat().st_blocks * 512 >= RESERVE_BYTES
    keep_reserve(tmp_path)
    assert path.read_bytes() == first
    assert spend_reserve(tmp_path)
    assert not spend_reserve(tmp_path)
    assert not path.exists()


def test_an_unexplained_error_passes_through_and_an_explained_one_names_the_path(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="broken"), refusing(tmp_path):
        raise OSError(errno.EIO, "broken")
    with pytest.raises(Refusal, match="read-only"), refusing(tmp_path / "x"):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))


def test_a_moved_folder_is_whole_at_its_new_place(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "file").write_text("x")
    move(tmp_path / "old", tmp_path / "far" / "away" / "new")
    assert (tmp_path / "far" / "away" / "new" / "file").read_text() == "x"
    assert not (tmp_path / "old").exists()


def test_a_leftover_that_cannot_be_deleted_is_harmless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".x.1-0.tmp").write_text("")

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "unlink", refuse)
    assert remove_leftovers(tmp_path) == []


def test_a_run_that_cannot_be_created_leaves_nothing_behind(results: Path) -> None:
    """RLIMIT_FSIZE: the run's files fit, its reserve does not."""
    done = subprocess.run(
        [sys.executable, "-m", "runner", "new", *SMOKE],
        cwd=PROJECT, env=environment(results), capture_output=True, text=True, timeout=120, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (RESERVE_BYTES // 2, RESERVE_BYTES // 2)),
    )  # fmt: skip
    assert done.returncode == 2, done.stdout + done.stderr
    assert "no space left" in done.stderr
    assert f"{size_text(RESERVE_BYTES)} needed" in " ".join(done.stderr.split())
    assert list(results.iterdir()) == []


# --- a real small disk, grown until the run fits


@pytest.fixture
def small_disk(tmp_path: Path) -> Path:
    """Where a tmpfs of a few hundred kilobytes can be mounted; skips where this user may not."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=160k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a tmpfs is not allowed here")
    return folder


def grow(mount: Path, size_kb: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size_kb}k", str(mount)], check=True)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_on_a_disk_that_fills_again_and_again_ends_with_the_numbers_of_one_with_room(
    small_disk: Path, tmp_path: Path
) -> None:
    try:
        roomy = tmp_path / "roomy"
        assert runner("advance", *SMOKE, results=roomy).returncode in (0, 3)
        # Gate A would rather not begin here at all
        anyway = ("gate.a.machine.min_free_disk_gb=0", 'gate.a.waivers.checkpoint_disk="it grows"')
        assert runner("new", *SMOKE, *anyway, results=small_disk).returncode == 0
        folder = only_run(small_disk)
        # Gate B fills the first two, the third has no room for a checkpoint
        for size_kb in (176, 230, 330):
            grow(small_disk, size_kb)
            done = runner("advance", results=small_disk)
            text = " ".join((done.stdout + done.stderr).split())
            assert done.returncode == 2, text
            assert "Traceback" not in text
            assert "no space left on its disk" in text or "too little disk" in text
            assert " free" in text
            assert " needed" in text
            assert events(folder)[-1]["type"] == "gate_crashed", "the journal says so in spite of the full disk"
            assert "needed" in runner("status", results=small_disk).stdout
        grow(small_disk, 32_768)
        done = runner("advance", results=small_disk)
        assert done.returncode in (0, 3), done.stdout + done.stderr
        assert results_of(folder) == results_of(only_run(roomy))
    finally:
        subprocess.run(["umount", str(small_disk)], check=False)
