"""The probe reads the machine's own files rightly and never raises."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from env.machine import gpus, hardware, programs
from env.machine import source as source_module
from env.machine.disks import disk, mount_of
from env.machine.gpus import metal_gb, parse_nvidia_smi, survey_gpus
from env.machine.hardware import Memory, memory, processor
from env.machine.probe import probe, shell
from env.machine.source import parse_status, source
from env.pins import CORE_LOCK, Pin, differences, installed_versions, read_pins
from env.refusal import Refusal

ROOT = Path(__file__).resolve().parents[2]


def make_tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


MEMINFO = "MemTotal:       16000000 kB\nMemFree:  100 kB\nMemAvailable:    8000000 kB\n"


def test_the_probe_of_this_machine_finds_the_obvious(tmp_path: Path) -> None:
    facts = probe(tmp_path / "not" / "yet", ROOT)
    assert facts.python == ".".join(map(str, sys.version_info[:3]))
    assert facts.processor.cores >= facts.processor.usable > 0
    assert facts.packages["pytest"] == pytest.__version__
    assert facts.disk.folder == str(tmp_path.resolve())
    assert facts.disk.is_writable


def test_the_probe_imports_nothing_heavy() -> None:
    code = (
        "import sys; from pathlib import Path; from env.machine.probe import probe; probe(Path('.'), Path('.'));"
        "print(sorted({'torch', 'lupa', 'numpy', 'transformers', 'pydantic', 'hydra'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_the_probe_survives_a_machine_that_reports_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(programs, "_EXTRA_FOLDERS", ())
    facts = probe(tmp_path, tmp_path, locks=(tmp_path / "absent.txt",))
    assert facts.source.note == "git is not installed"
    assert set(facts.programs.values()) == {""}
    assert "cannot be read" in facts.pin_note
    assert memory(tmp_path).available_gb is None


def test_available_memory_is_not_free_memory(tmp_path: Path) -> None:
    facts = memory(make_tree(tmp_path, {"proc/meminfo": MEMINFO}))
    assert (facts.total_gb, facts.available_gb, facts.limited_by) == (16.38, 8.19, "")


def test_a_containers_memory_limit_counts(tmp_path: Path) -> None:
    files = {
        "proc/meminfo": MEMINFO,
        "proc/self/cgroup": "0::/box/inner\n",
        "sys/fs/cgroup/box/memory.max": "2000000000\n",
        "sys/fs/cgroup/box/memory.current": "1500000000\n",
        "sys/fs/cgroup/box/inner/memory.max": "max\n",
    }
    facts = memory(make_tree(tmp_path, files))
    assert (facts.total_gb, facts.available_gb, facts.limited_by) == (2.0, 0.5, "cgroup memory limit")


def test_an_old_cgroups_no_limit_is_no_limit(tmp_path: Path) -> None:
    files = {"proc/meminfo": MEMINFO, "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}
    assert memory(make_tree(tmp_path, files)).limited_by == ""


@pytest.mark.parametrize(
    ("files", "usable"),
    [
        ({"sys/fs/cgroup/cpu.max": "150000 100000\n"}, 1.5),
        ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/cpu.max": "50000 100000\n"}, 0.5),
        ({"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "50000", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"}, 0.5),
        ({"sys/fs/cgroup/cpu.max": "max 100000\n", "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1"}, 8.0),
    ],
)
def test_usable_cores_are_those_of_the_containers_quota(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], usable: float
) -> None:
    monkeypatch.setattr(hardware.os, "cpu_count", lambda: 8)
    monkeypatch.setattr(hardware.os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert processor(make_tree(tmp_path, files)).usable == usable


def test_the_innermost_mount_that_is_on_top_counts() -> None:
    mounts = (
        "/dev/vda / ext4 rw 0 0\ntmpfs /mnt/data tmpfs rw 0 0\nserver:/x /mnt/data nfs4 rw 0 0\n"
        "//host/y /mnt/my\\040share cifs rw 0 0\n"
    )
    assert mount_of(Path("/home/me"), mounts) == ("/", "ext4")
    assert mount_of(Path("/mnt/data/run"), mounts) == ("/mnt/data", "nfs4")
    assert mount_of(Path("/mnt/database"), mounts) == ("/", "ext4")
    assert mount_of(Path("/mnt/my share/run"), mounts) == ("/mnt/my share", "cifs")


def test_network_and_memory_file_systems_are_distinguished(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text("server:/x / nfs4 rw 0 0\n")
    assert disk(tmp_path, mounts).is_network
    mounts.write_text("tmpfs / tmpfs rw 0 0\n")
    assert disk(tmp_path, mounts).is_in_memory
    assert disk(tmp_path, tmp_path / "absent").kind == ""


def test_gpus_are_read_from_nvidia_smis_answer() -> None:
    # the second line is what cards without the query's support print
    gpus = parse_nvidia_smi("NVIDIA H200, 143771, 143000, 570.86.15, 9.0\nTesla K80, [N/A], 1, 470, 3.7\nnoise\n")
    assert [(gpu.name, gpu.vram_gb, gpu.compute_capability) for gpu in gpus] == [("NVIDIA H200", 150.75, 9.0)]


def test_a_gpu_tool_that_fails_is_a_note_not_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus.platform, "system", lambda: "Linux")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert survey_gpus().note == "nvidia-smi is not installed"
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA-SMI has failed because it could not reach the driver'\nexit 9\n")
    tool.chmod(0o755)
    survey = survey_gpus()
    assert survey.gpus == ()
    assert "could not reach the driver" in survey.note


def test_a_hanging_driver_costs_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*_: object, **__: object) -> None:
        raise subprocess.TimeoutExpired("nvidia-smi", 10)

    monkeypatch.setattr(gpus.platform, "system", lambda: "Linux")
    monkeypatch.setattr(gpus.shutil, "which", lambda _: "/bin/nvidia-smi")
    monkeypatch.setattr(gpus.subprocess, "run", hang)
    assert "the driver hangs" in survey_gpus().note


def test_git_status_reports_commit_and_changed_files() -> None:
    text = "\0".join(
        [
            "# branch.oid 0123456789abcdef",
            "# branch.head main",
            "1 .M N... 100644 100644 100644 aaaa bbbb a file.py",
            "2 R. N... 100644 100644 100644 aaaa bbbb R100 new.py",
            "old.py",
            "",
        ]
    )
    found = parse_status(text)
    assert found.changed == ("a file.py", "new.py")
    assert str(found) == "0123456789 + 2 changed files"


def test_a_real_repository_is_read_before_and_after_its_first_commit(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        subprocess.run(
            ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@x", *arguments],
            check=True, capture_output=True,
        )  # fmt: skip

    if not programs.find_program(("git",)):
        pytest.skip("git is not installed")
    assert source(tmp_path).note == "not a git work tree"
    git("init")
    (tmp_path / "a").write_text("1")
    assert str(source(tmp_path)) == "no commit yet"
    git("add", "a")
    git("commit", "-m", "x")
    clean = source(tmp_path)
    assert len(clean.commit) == 40
    assert clean.changed == ()
    (tmp_path / "a").write_text("2")
    assert source(tmp_path).changed == ("a",)


def test_git_that_hangs_is_a_note(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def hang(*_: object, **__: object) -> None:
        raise subprocess.TimeoutExpired("git", 5)

    monkeypatch.setattr(source_module.subprocess, "run", hang)
    assert source(tmp_path).note == "git gave no answer"


def test_only_a_remote_shell_outside_a_multiplexer_is_at_risk() -> None:
    assert shell({"SSH_TTY": "/dev/pts/0"}).is_remote
    assert shell({"SSH_TTY": "/dev/pts/0", "TMUX": "x"}).multiplexer == "tmux"
    assert not shell({}).is_remote


def test_a_package_in_another_version_differs_and_a_missing_or_cpu_build_does_not() -> None:
    pins = (Pin("torch", "2.13.0", 1), Pin("peft", "0.21.2", 2), Pin("absent", "1", 3))
    found = differences(pins, {"torch": "2.13.0+cpu", "peft": "0.20.0"})
    assert [str(difference) for difference in found] == ["peft 0.20.0, pinned 0.21.2"]


def test_the_core_lock_pins_versions_only(tmp_path: Path) -> None:
    pins = {pin.name: pin.version for pin in read_pins(CORE_LOCK)}
    assert pins["torch"] == "2.13.0"
    assert {"transformers", "peft", "bitsandbytes", "hydra-core", "luaparser", "lupa", "pytest"} <= pins.keys()
    text = CORE_LOCK.read_text()
    assert "/" not in "".join(line for line in text.splitlines() if not line.startswith("#"))
    assert len(pins) == len(read_pins(CORE_LOCK))


def test_a_lock_with_paths_is_refused_with_every_line(tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text("# header\na==1\nb @ file:///x\nc>=2\n\nd_e==1.0+cpu  # why\n")
    with pytest.raises(Refusal, match="line 3, 4"):
        read_pins(lock)
    lock.write_text("D_e==1.0+cpu  # why\n")
    assert read_pins(lock) == (Pin("d-e", "1.0+cpu", 1),)


def test_installed_versions_use_pips_names() -> None:
    assert "typing-extensions" in installed_versions()


@pytest.mark.parametrize(
    ("total_gb", "limit_mb", "most_gb"),
    [(17.18, "", 11.45), (17.18, "0", 11.45), (34.36, "0", 22.91), (68.72, "0", 51.54), (17.18, "14336", 15.03)],
)
def test_a_mac_s_model_is_held_against_what_metal_may_use(total_gb: float, limit_mb: str, most_gb: float) -> None:
    assert metal_gb(total_gb, limit_mb) == most_gb


def test_a_mac_s_gpu_says_how_much_metal_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    monkeypatch.setattr(gpus, "memory", lambda: Memory(17.18, None, ""))
    monkeypatch.setattr(gpus, "sysctl", lambda _name: "0")
    found = survey_gpus()
    assert (found.gpus[0].vram_gb, found.gpus[0].free_gb) == (17.18, 11.45)
    assert "Metal lets one program use about 11.4 GB" in found.note


def test_a_gpu_of_another_maker_is_named(tmp_path: Path) -> None:
    assert gpus._other_makers(tmp_path) == ""
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "kfd").touch()
    assert "AMD GPU: ROCm was never tried" in gpus._other_makers(tmp_path)
