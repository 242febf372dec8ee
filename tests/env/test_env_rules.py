"""A machine is judged by pure rules, and each miss says what to do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from env.checks import Check, blocking
from env.machine.disks import Disk
from env.machine.gpus import Gpu, GpuSurvey
from env.machine.hardware import Memory, Processor
from env.machine.probe import MachineFacts, Shell
from env.machine.programs import LupaFacts
from env.machine.source import Source
from env.machine.toolchain import Toolchain
from env.machine.torch_build import built_for
from env.pins import CORE_LOCK, LOCKS, PinDifference
from env.requirements import EnvironmentRules, judge

H200 = Gpu("NVIDIA H200", 150.75, 150.0, "570.86", 9.0)
GOOD = MachineFacts(
    system="Linux",
    python="3.11.7",
    interpreter="/usr/bin/python3",
    processor=Processor("CPU", 8, 8.0, ""),
    memory=Memory(32.0, 16.0, ""),
    disk=Disk("/data", 100.0, "ext4", "/", True),
    gpu=GpuSurvey((H200,), ""),
    packages={"torch": "2.13.0+cpu", "hydra-core": "1.4.0rc3", "lupa": "2.8", "triton": "3.7.1"},
    pin_differences=(),
    pin_note="",
    lupa=LupaFacts("2.8", ("lua54", "luajit21")),
    programs={"engine": "/usr/games/minetestserver", "bubblewrap": "/usr/bin/bwrap"},
    source=Source("a" * 40, ()),
    shell=Shell(False, ""),
    toolchain=Toolchain("/usr/bin/gcc", "/usr/include/Python.h"),
)
RULES = EnvironmentRules(
    min_python="3.11",
    min_cores=2,
    min_free_disk_gb=5,
    min_free_ram_gb=4,
    require_gpu=True,
    min_vram_gb=24,
    min_compute_capability=8.0,
    require_packages={"torch": "==2.13.*", "hydra_core": ">=1.4.0rc3"},
    require_engine=True,
    require_bubblewrap=True,
)


def named(checks: tuple[Check, ...], name: str) -> Check:
    return next(check for check in checks if check.name == name)


def test_a_machine_that_has_everything_passes_without_a_warning() -> None:
    checks = judge(GOOD, RULES)
    assert [check.name for check in checks if not check.ok] == []
    names = [check.name for check in checks]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("facts", "name"),
    [
        (replace(GOOD, python="3.10.14"), "python"),
        (replace(GOOD, memory=Memory(32.0, 3.9, "")), "memory"),
        (replace(GOOD, disk=Disk("/data", 4.9, "ext4", "/", True)), "disk"),
        (replace(GOOD, disk=Disk("/data", 100.0, "ext4", "/", False)), "results folder"),
        (replace(GOOD, gpu=GpuSurvey((), "nvidia-smi is not installed")), "gpu"),
        (replace(GOOD, gpu=GpuSurvey((replace(H200, vram_gb=16.0),), "")), "gpu memory"),
        (replace(GOOD, gpu=GpuSurvey((replace(H200, compute_capability=7.5),), "")), "gpu compute capability"),
        (replace(GOOD, packages={**GOOD.packages, "torch": "2.12.0"}), "package torch"),
        (replace(GOOD, packages={"torch": "2.13.0"}), "package hydra-core"),
        (replace(GOOD, lupa=LupaFacts("2.8", ("lua54",))), "lua"),
        (replace(GOOD, programs={**GOOD.programs, "engine": ""}), "engine"),
        (replace(GOOD, programs={**GOOD.programs, "bubblewrap": ""}), "bubblewrap"),
    ],
)
def test_each_need_blocks_alone_with_a_reason_and_a_fix(facts: MachineFacts, name: str) -> None:
    stopped = blocking(judge(facts, RULES))
    assert [check.name for check in stopped] == [name]
    assert stopped[0].reason
    assert stopped[0].fix


@pytest.mark.parametrize(
    ("facts", "name"),
    [
        (replace(GOOD, processor=Processor("CPU", 8, 0.5, "cgroup CPU quota")), "cores"),
        (replace(GOOD, memory=Memory(None, None, "")), "memory"),
        (replace(GOOD, disk=Disk("/data", None, "", "", True)), "disk"),
        (replace(GOOD, disk=Disk("/data", 100.0, "nfs4", "/data", True)), "file system"),
        (replace(GOOD, disk=Disk("/data", 100.0, "tmpfs", "/data", True)), "file system"),
        (replace(GOOD, pin_differences=(PinDifference("peft", "0.21.2", "0.20"),)), "pins"),
        (replace(GOOD, pin_note="no lock"), "pins"),
        (replace(GOOD, source=Source("", (), "not a git work tree")), "source"),
        (replace(GOOD, source=Source("a" * 40, ("gates/report.py",))), "source"),
        (replace(GOOD, shell=Shell(True, "")), "shell"),
    ],
)
def test_what_only_makes_a_run_worse_warns(facts: MachineFacts, name: str) -> None:
    checks = judge(facts, RULES)
    assert [(check.name, check.level) for check in checks if not check.ok] == [(name, "warn")]
    assert named(checks, name).reason


def test_what_is_not_required_is_a_fact() -> None:
    facts = replace(GOOD, gpu=GpuSurvey((), "nvidia-smi is not installed"), programs={})
    rules = replace(RULES, require_gpu=False, require_engine=False, require_bubblewrap=False)
    checks = judge(facts, rules)
    assert all(check.ok for check in checks)
    assert named(checks, "gpu").value == "none"
    assert named(checks, "engine").reason == "the recorder verifies instead"


def test_the_newest_of_several_gpus_decides_the_capability() -> None:
    old = Gpu("old", 12.0, None, "570.86", 6.1)
    facts = replace(GOOD, gpu=GpuSurvey((old, H200), ""))
    assert blocking(judge(facts, RULES)) == ()


def test_an_accelerator_without_cuda_is_not_judged_by_cuda_numbers() -> None:
    facts = replace(GOOD, gpu=GpuSurvey((Gpu("Apple M3", 64.0, None, "metal", 0.0),), ""))
    assert blocking(judge(facts, RULES)) == ()


def test_without_luajit_lua_5_1_judges_and_doctor_says_so() -> None:
    mac = named(judge(replace(GOOD, lupa=LupaFacts("2.8", ("lua51", "lua52", "lua55"))), RULES), "lua")
    assert mac.ok
    assert "Lua 5.1 judges, and a program that it cannot express gets no verdict" in mac.reason
    assert named(judge(replace(GOOD, lupa=LupaFacts("2.8", ("lua54",))), RULES), "lua").blocks


@pytest.mark.parametrize(
    ("tools", "triton", "missing"),
    [
        (Toolchain("/usr/bin/gcc", "/usr/include/Python.h"), "3.7.1", ""),
        (Toolchain("", "/usr/include/Python.h"), "3.7.1", "no C compiler"),
        (Toolchain("/usr/bin/gcc", ""), "3.7.1", "no Python.h"),
        (Toolchain("/usr/bin/gcc", "/usr/include/Python.h"), "", "no triton"),
    ],
)
def test_what_triton_compiles_with_is_examined_beside_a_torch_for_cuda(
    tools: Toolchain, triton: str, missing: str
) -> None:
    facts = replace(GOOD, torch_cuda="13.0", toolchain=tools, packages={**GOOD.packages, "triton": triton})
    facts = replace(facts, gpu=GpuSurvey((replace(H200, driver="580.65"),), ""))
    found = named(judge(facts, RULES), "kernel compiler")
    assert found.ok is (not missing)
    assert missing in found.value
    assert "kernel compiler" not in {check.name for check in judge(replace(facts, torch_cuda=None), RULES)}


def test_doctor_says_plainly_what_isolation_a_mac_has() -> None:
    facts = replace(GOOD, system="macOS 15.1, arm64", programs={**GOOD.programs, "bubblewrap": ""})
    found = named(judge(facts, replace(RULES, require_bubblewrap=False)), "bubblewrap")
    assert "macOS has neither bubblewrap nor seccomp" in found.reason
    assert "without a wall to the network" in found.reason


def test_python_versions_compare_as_numbers() -> None:
    assert named(judge(replace(GOOD, python="3.9.1"), RULES), "python").blocks
    assert not named(judge(replace(GOOD, python="3.14.0"), RULES), "python").blocks


def test_differing_pins_are_named() -> None:
    facts = replace(GOOD, pin_differences=(PinDifference("peft", "0.21.2", "0.20"),))
    assert named(judge(facts, RULES), "pins").evidence == ("peft 0.20, pinned 0.21.2",)


@pytest.mark.parametrize(
    ("cuda", "driver", "stops"),
    [
        ("12.8", "570.86", []),
        (None, "570.86", []),
        ("", "570.86", ["torch build"]),
        ("13.0", "570.86", ["gpu driver"]),
        ("13.0", "580.65.06", []),
        ("12.8", "515.105", ["gpu driver"]),
    ],
)
def test_a_torch_that_cannot_use_the_gpu_or_its_driver_is_named(
    cuda: str | None, driver: str, stops: list[str]
) -> None:
    facts = replace(GOOD, gpu=GpuSurvey((replace(H200, driver=driver),), ""), torch_cuda=cuda)
    assert [check.name for check in blocking(judge(facts, RULES))] == stops
    optional = judge(facts, replace(RULES, require_gpu=False))
    assert [check.name for check in optional if not check.ok] == stops
    assert blocking(optional) == ()
    assert "driver" in named(optional, "gpu").value


def test_the_pins_are_those_of_the_backend_s_environment() -> None:
    found = named(judge(replace(GOOD, locks=(CORE_LOCK, LOCKS / "mlx.txt")), RULES), "pins")
    assert found.value == "as in env/locks/core.txt and env/locks/mlx.txt"
    differing = (PinDifference("peft", "0.21.2", "0.20"),)
    other = replace(GOOD, locks=(LOCKS / "unsloth.txt",), extras=("dev", "unsloth"), pin_differences=differing)
    assert named(judge(other, RULES), "pins").fix == "pip install -c env/locks/unsloth.txt -e .[dev,unsloth]"


@pytest.mark.parametrize(
    ("line", "cuda"),
    [
        ("cuda: Optional[str] = None", ""),
        ("cuda: Optional[str] = '12.8'", "12.8"),
        ("cuda = '13.0'", "13.0"),
        ("hip = '6.0'", None),
    ],
)
def test_torch_s_own_file_reports_its_cuda(line: str, cuda: str | None) -> None:
    assert built_for(f"__version__ = '2.13.0'\ndebug = False\n{line}\ngit_version = 'x'\n") == cuda
