"""What an experiment needs from a machine, and the checks of a machine's facts against it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge

from env.checks import Check, Level, fact, judged, ok
from env.machine.gpus import Gpu
from env.machine.probe import MachineFacts
from env.pins import install_command, normal_name

Amount = Annotated[float, Ge(0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentRules:
    """What the machine must have.

    Attributes:
        min_python: the oldest Python that works, such as "3.11".
        min_cores: usable cores below which a warning is given.
        min_free_disk_gb: what the run will write, with some margin; blocks below.
        min_free_ram_gb: what the largest gate needs; blocks below.
        require_gpu, min_vram_gb, min_compute_capability: of at least one GPU; the minima apply only with require_gpu.
        require_packages: package name to a version specifier such as ">=5.17,<6"; "" is any version.
        require_engine: whether a Luanti engine must verify candidates.
        require_bubblewrap: whether candidates must run under bubblewrap.
    """

    min_python: str
    min_cores: Amount
    min_free_disk_gb: Amount
    min_free_ram_gb: Amount
    require_gpu: bool
    min_vram_gb: Amount
    min_compute_capability: Amount
    require_packages: Mapping[str, str]
    require_engine: bool
    require_bubblewrap: bool


def judge(facts: MachineFacts, rules: EnvironmentRules) -> tuple[Check, ...]:
    """Return the checks of a machine, in the order a person reads them; pure."""
    return tuple(check for judge_part in _PARTS for check in judge_part(facts, rules))


def _system(facts: MachineFacts, rules: EnvironmentRules) -> list[Check]:
    enough = _version(facts.python) >= _version(rules.min_python)
    usable = facts.processor.usable
    by = f", limited by {facts.processor.limited_by}" if facts.processor.limited_by else ""
    return [
        fact("system", facts.system),
        judged(
            "python",
            "block",
            enough,
            facts.python,
            f"≥ {rules.min_python}",
            reason="the code uses syntax and libraries that older versions lack",
            fix=f"Create the environment with Python {rules.min_python} or newer (now: {facts.interpreter}).",
        ),
        judged(
            "cores",
            "warn",
            usable >= rules.min_cores,
            f"{usable:g} of {facts.processor.cores} ({facts.processor.model}){by}",
            f"≥ {rules.min_cores:g}",
            reason="the gates will take longer than the profile's header says",
            fix="Give the process more cores, or choose a smaller profile.",
        ),
        *_load(facts),
    ]


def _load(facts: MachineFacts) -> list[Check]:
    """Say when other programs keep more than half of the usable cores: threads that wait for a core stop the others."""
    usable, busy = facts.processor.usable, facts.busy_cores
    if busy is None:
        return []
    return [
        judged(
            "processor load",
            "warn",
            2 * busy <= usable,
            f"other programs keep {min(busy, usable):.1f} of {usable:g} usable cores busy",
            "at most half of them",
            reason="threads without a core of their own slow each other down several times",
            fix="Wait until the other programs are done, or set model.threads=1 and model.processes=1.",
        )
    ]


def _memory(facts: MachineFacts, rules: EnvironmentRules) -> list[Check]:
    available, total = facts.memory.available_gb, facts.memory.total_gb
    expected = f"≥ {rules.min_free_ram_gb:g} GB"
    if available is None:
        return [_unknown("memory", f"{total or '?'} GB in total", expected)]
    by = f", limited by {facts.memory.limited_by}" if facts.memory.limited_by else ""
    check = judged(
        "memory",
        "block",
        available >= rules.min_free_ram_gb,
        f"{available:.1f} GB available of {total or 0:.1f} GB{by}",
        expected,
        reason="the system would kill the largest gate for memory",
        fix="Close other programs, or choose a smaller model or batch.",
    )
    return [check]


def _disk(facts: MachineFacts, rules: EnvironmentRules) -> list[Check]:
    disk = facts.disk
    expected = f"≥ {rules.min_free_disk_gb:g} GB"
    if disk.free_gb is None:
        space = _unknown("disk", disk.folder, expected)
    else:
        space = judged(
            "disk",
            "block",
            disk.free_gb >= rules.min_free_disk_gb,
            f"{disk.free_gb:.1f} GB free at {disk.folder}",
            expected,
            reason="the run would fill the disk before it ends",
            fix=f"Free space under {disk.mount or disk.folder}, or write results elsewhere.",
        )
    writable = judged(
        "results folder",
        "block",
        disk.is_writable,
        disk.folder,
        "writable",
        reason="nothing could be recorded",
        fix=f"Make {disk.folder} writable for this user.",
    )
    return [space, writable, _file_system(facts)]


def _file_system(facts: MachineFacts) -> Check:
    disk = facts.disk
    reason = "locks and renames are weaker on a network mount" if disk.is_network else "it is lost when the power goes"
    return judged(
        "file system",
        "warn",
        not (disk.is_network or disk.is_in_memory),
        f"{disk.kind or 'unknown'} at {disk.mount or '?'}",
        "a local disk",
        reason=reason,
        fix="Keep results on a local disk.",
    )


def _gpu(facts: MachineFacts, rules: EnvironmentRules) -> list[Check]:
    gpus = facts.gpu.gpus
    listed = ", ".join(f"{gpu.name} {gpu.vram_gb:.0f} GB" for gpu in gpus)
    if not gpus:
        if not rules.require_gpu:
            return [fact("gpu", "none", facts.gpu.note)]
        fix = "Run on a machine with a GPU and its driver, or choose a CPU profile."
        return [judged("gpu", "block", False, "none", "a GPU", reason=facts.gpu.note, fix=fix)]
    best = max(gpus, key=lambda gpu: (gpu.compute_capability, gpu.vram_gb))
    told = f"{listed}, driver {best.driver}"
    if not rules.require_gpu:
        capability = f", compute capability {best.compute_capability:g}" if best.compute_capability else ""
        return [fact("gpu", told + capability, facts.gpu.note), *_torch_checks(facts, best, "warn"), *_compiler(facts)]
    checks = [
        ok("gpu", told, "a GPU"),
        judged(
            "gpu memory",
            "block",
            max(gpu.vram_gb for gpu in gpus) >= rules.min_vram_gb,
            f"{max(gpu.vram_gb for gpu in gpus):.1f} GB",
            f"≥ {rules.min_vram_gb:g} GB",
            reason="model, adapter and activations would not fit",
            fix="Choose a smaller model, batch or length, or a larger GPU.",
        ),
    ]
    # 0.0 is an accelerator without CUDA, where the number has no meaning
    if best.compute_capability:
        checks.append(_capability(best.compute_capability, rules.min_compute_capability))
    return [*checks, *_torch_checks(facts, best, "block"), *_compiler(facts)]


def _compiler(facts: MachineFacts) -> list[Check]:
    """Return whether Triton can compile kernels here; [] without a torch for CUDA, which brings Triton."""
    if not facts.torch_cuda:
        return []
    triton, tools = facts.packages.get("triton", ""), facts.toolchain
    parts = (
        f"triton {triton}" if triton else "no triton",
        tools.compiler or "no C compiler",
        tools.headers or "no Python.h",
    )
    return [
        judged(
            "kernel compiler",
            "warn",
            bool(triton and tools.compiler and tools.headers),
            ", ".join(parts),
            "triton, gcc and Python's headers",
            reason="unsloth's kernels and torch.compile are compiled at their first call: the gate would crash there",
            fix="Debian: apt install gcc python3-dev; triton comes with torch's build for CUDA.",
        )
    ]


def _torch_checks(facts: MachineFacts, gpu: Gpu, level: Level) -> list[Check]:
    """Check whether the installed torch can use an NVIDIA GPU with its driver; [] where that is unknown."""
    cuda = facts.torch_cuda
    if cuda is None or not gpu.compute_capability:
        return []
    built = judged(
        "torch build",
        level,
        bool(cuda),
        f"for CUDA {cuda}" if cuda else "without CUDA",
        "a build for CUDA, since there is a GPU",
        reason="this torch cannot use the GPU, whatever its driver",
        fix="Install torch of the same version from an index with CUDA builds.",
    )
    major = cuda.partition(".")[0]
    least = _LEAST_DRIVER.get(major)
    if least is None or not _version(gpu.driver):
        return [built]
    driver = judged(
        "gpu driver",
        level,
        _version(gpu.driver) >= least,
        gpu.driver,
        f"≥ {least[0]}.{least[1]} for CUDA {major}",
        reason="torch finds no CUDA device under a driver older than its CUDA",
        fix=f"Update the driver, or install a torch that was built for an older CUDA than {cuda}.",
    )
    return [built, driver]


def _capability(found: float, least: float) -> Check:
    return judged(
        "gpu compute capability",
        "block",
        found >= least,
        f"{found:g}",
        f"≥ {least:g}",
        reason="the quantised kernels or bf16 are missing on older GPUs",
        fix="Choose fp16 or fp32 in the profile, or a newer GPU.",
    )


def _packages(facts: MachineFacts, rules: EnvironmentRules) -> list[Check]:
    checks = [_package(facts.packages, name, wanted) for name, wanted in sorted(rules.require_packages.items())]
    reason = "this run's figures are not from the pinned versions"
    if facts.pin_note:
        return [*checks, judged("pins", "warn", False, "not compared", "the lock file", reason=facts.pin_note)]
    count = len(facts.pin_differences)
    names = " and ".join(f"env/locks/{lock.name}" for lock in facts.locks)
    pins = judged(
        "pins",
        "warn",
        not count,
        f"{count} of the pinned packages are another version" if count else f"as in {names}",
        f"as in {names}",
        reason=reason,
        fix=install_command(facts.locks, facts.extras),
        evidence=[str(difference) for difference in facts.pin_differences],
    )
    return [*checks, pins]


def _package(installed: Mapping[str, str], name: str, wanted: str) -> Check:
    from packaging.specifiers import SpecifierSet

    version = installed.get(normal_name(name), "")
    # a release candidate that the lock names must count as installed
    held = bool(version) and SpecifierSet(wanted).contains(version, prereleases=True)
    return judged(
        f"package {normal_name(name)}",
        "block",
        held,
        version or "not installed",
        wanted or "any version",
        reason=f"the experiment needs {name}",
        fix=f'pip install -c env/locks/core.txt "{name}{wanted}"',
    )


def _verification(facts: MachineFacts, rules: EnvironmentRules) -> list[Check]:
    engine, bubblewrap = facts.programs.get("engine", ""), facts.programs.get("bubblewrap", "")
    without = "process limits are its only isolation"
    if facts.system.startswith("macOS"):
        without = (
            "macOS has neither bubblewrap nor seccomp: programs run in processes with limits of time, files and heap, "
            "without a wall to the network and to what this user can read"
        )
    return [
        _lua(facts),
        _optional("engine", engine, rules.require_engine, "the recorder verifies instead", "minetest-server"),
        _optional("bubblewrap", bubblewrap, rules.require_bubblewrap, without, "bubblewrap"),
    ]


def _lua(facts: MachineFacts) -> Check:
    """Say which Lua will judge: LuaJIT, or where lupa comes without it (macOS) Lua 5.1 in its place."""
    found = f"lupa {facts.lupa.version}: {', '.join(facts.lupa.runtimes)}" if facts.lupa.runtimes else "lupa has no Lua"
    if "lua51" in facts.lupa.runtimes and "luajit21" not in facts.lupa.runtimes:
        without = "no LuaJIT in it: Lua 5.1 judges, and a program that it cannot express gets no verdict"
        return fact("lua", found, f"{without}; docs/luantibench.md lists the differences")
    return judged(
        "lua",
        "block",
        "luajit21" in facts.lupa.runtimes,
        found,
        "lupa with LuaJIT 2.1 or Lua 5.1",
        reason="candidates are Lua programs in the engine's dialect: nothing could be verified",
        fix="pip install -c env/locks/core.txt lupa",
    )


def _optional(name: str, path: str, is_required: bool, without: str, package: str) -> Check:
    if not is_required:
        return fact(name, path or "not installed", "" if path else without)
    fix = f"Install it (Debian: apt install {package}), or choose a profile that does without."
    reason = f"the profile requires it; without it {without}"
    return judged(name, "block", bool(path), path or "not installed", "installed", reason=reason, fix=fix)


_SOURCE_FIX_INSTALLED = "Install a commit, `pip install git+ADDRESS`, before a run that counts."


def _surroundings(facts: MachineFacts, rules: EnvironmentRules) -> list[Check]:
    del rules
    source = judged(
        "source",
        "warn",
        bool(facts.source.commit) and not facts.source.changed,
        facts.source,
        "a commit without changes",
        reason="the code behind these numbers cannot be identified later",
        fix="Commit the changes before a run whose numbers you keep.",
        evidence=facts.source.changed,
    )
    return [source, _shell(facts), *(fact(name, facts.programs.get(name) or "not installed") for name in _EXTRAS)]


def _shell(facts: MachineFacts) -> Check:
    shell = facts.shell
    where = ("remote shell" if shell.is_remote else "local shell") + (
        f" in {shell.multiplexer}" if shell.multiplexer else ""
    )
    return judged(
        "shell",
        "warn",
        not shell.is_remote or bool(shell.multiplexer),
        where,
        "a shell that survives a lost connection",
        reason="a lost connection ends the running gate",
        fix="Start it inside tmux.",
    )


def _unknown(name: str, value: str, expected: str) -> Check:
    return judged(name, "warn", False, value, expected, reason="this platform does not report how much is free")


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdigit())


# The oldest driver that runs anything built for a CUDA major version, by minor version compatibility
# (NVIDIA, CUDA Compatibility, table 1).
_LEAST_DRIVER = {"11": (450, 80), "12": (525, 60), "13": (580, 65)}
_EXTRAS = ("tmux", "node", "chromium")
_PARTS: tuple[Callable[[MachineFacts, EnvironmentRules], list[Check]], ...] = (
    _system,
    _memory,
    _disk,
    _gpu,
    _packages,
    _verification,
    _surroundings,
)
