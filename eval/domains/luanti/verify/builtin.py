"""The builtin verifier: the installed engine's own Lua under LuaJIT, over the recorder's model of the engine's C side.

builtin (registration, defaults, digging, placing, eating, chat commands, privileges, timers of ``core.after``) is read
from the installed package at start and never copied. Not covered: what C does in the engine (crafting results, light,
ABMs, entities' physics); a check that needs it has needs="world" and is refused here.
"""

from __future__ import annotations

from pathlib import Path

from env.refusal import Refusal
from eval.domains.luanti.verify.engine.game import lua_source
from eval.domains.luanti.verify.engine.installation import FIX, engine_version, find_installation
from eval.domains.luanti.verify.recorder import WARM_UP, Recorder, further_source
from eval.domains.luanti.verify.versions import NEWEST, absent, caveat, project, series
from eval.domains.luanti.verify.vms import PREFERRED, choose_vm
from eval.pipeline.verifier import VerifierSettings
from eval.sandbox.pool import Pool, usable_cpus
from eval.sandbox.process import ChildSettings

# builtin's folders that a server loads; client, main menu and tests stay out.
FOLDERS = ("", "common", "game", "async")
BEFORE_BUILTIN = ("guard", "values", "shapes", "record")
MODEL = ("registry", "callbacks", "builtin/tables", "text", "stacks", "objects", "world", "play", "services")
AFTER_BUILTIN = ("real/registrations", "real/events", "real/front", "real/acts", "real/seal", "checks", "judge")


class Builtin(Recorder):
    """builtin and the checks over a pool of children.

    Raises:
        Refusal: builtin is not installed, no child starts, or the isolation is weaker than required.
    """

    def __init__(self, settings: VerifierSettings) -> None:
        installation = find_installation(settings.engine)
        if not installation.builtin:
            raise Refusal("The engine's Lua builtin is not installed here.", FIX)
        self._settings = settings
        version, vm = engine_version(installation), choose_vm(settings.vm)
        child = ChildSettings(
            program=program(Path(installation.builtin), version, settings.output_kb),
            on_demand={},
            warm_up=WARM_UP,
            timeout_s=settings.timeout_s,
            cpu_s=settings.cpu_s,
            memory_mb=settings.memory_mb,
            recycle_after=settings.recycle_after,
            language=vm.language,
        )
        self._pool = Pool(child, settings.workers or usable_cpus(), settings.require_isolation)
        self.name = f"builtin/{version}" + ("" if vm.name == PREFERRED else f"/{vm.name}")
        self.choice = vm.choice
        self.caveat, self.engine = caveat(version), series(version)
        self.isolation, self.isolation_reason = self._pool.isolation, self._pool.isolation_reason


def program(builtin: Path, version: str, output_kb: int) -> dict[str, str]:
    """Return the judging program with the builtin of the folder in it, file name to Lua source, in loading order."""
    numbers = series(version) or NEWEST
    settings = (
        f"P.output_cap_bytes, P.on_demand, P.builtin_files = {output_kb * 1024}, nil, {{}}",
        f"P.engine_version, P.engine_project = '{version}', '{project(version)}'",
        f"P.engine_series, P.absent = {100 * numbers[0] + numbers[1]}, '{' '.join(absent(version))}'",
    )
    parts = {"settings.lua": "\n".join(settings)}
    parts |= {f"{name}.lua": lua_source(name) for name in BEFORE_BUILTIN}
    for folder in FOLDERS:
        for file in sorted((builtin / folder).glob("*.lua")):
            name = file.relative_to(builtin).as_posix()
            text = file.read_text(encoding="utf-8")
            parts[f"installed/{name}"] = f'P.builtin_files["{name}"] = function(...)\n{text}\nend'
    names = ("builtin/ground", *MODEL, "builtin/host", *AFTER_BUILTIN)
    return parts | further_source() | {f"{name}.lua": lua_source(name) for name in names}


def open_pool(settings: VerifierSettings) -> Builtin:
    """Return a running verifier. Raises Refusal when builtin is missing, no child starts or isolation is too weak."""
    return Builtin(settings)
