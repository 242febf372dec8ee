"""The files every server is started with, read-only: a game, settings, the start of a world, and a candidate's mod."""

from __future__ import annotations

import shutil
import tempfile
import threading
from contextlib import suppress
from importlib.resources import files
from pathlib import Path

from eval.domains.luanti.mod_names import CHECKER_MOD, DEFAULT_MOD

LAUNCH = """local run = rawget(_G, "luagate_candidate")\nrawset(_G, "luagate_candidate", nil)\nrun()\n"""
WORLD = """gameid = luagate
backend = dummy
player_backend = files
auth_backend = files
mod_storage_backend = files
"""
SETTINGS = f"""secure.enable_security = true
secure.trusted_mods = {CHECKER_MOD}
mg_name = singlenode
dedicated_server_step = 0.02
active_block_mgmt_interval = 0.1
abm_interval = 0.1
nodetimer_interval = 0.1
num_emerge_threads = 1
enable_ipv6 = false
server_announce = false
default_privs = interact, shout
debug_log_level = none
"""
# The parts of the judging program under verify/api: what isolates the candidate first, the judge last.
PROGRAM = (
    "guard", "values", "shapes", "record", "engine/limits", "real/registrations", "real/events", "real/front",
    "engine/others", "stacks", "engine/people", "objects", "engine/land", "real/acts", "real/seal", "checks",
    "engine/entities", "engine/world_checks", "judge",
)  # fmt: skip


def lua_source(name: str) -> str:
    """Return the source of a part of the judging program, such as "engine/boot"."""
    return (files("eval.domains.luanti.verify") / "api" / f"{name}.lua").read_text(encoding="utf-8")


def joined(names: tuple[str, ...]) -> str:
    """Return one Lua chunk that runs the named parts in order; its argument is the table they share."""
    parts = [f"do local f = function(P)\n{lua_source(name)}\nend f(P) end\n" for name in names]
    return "local P = ...\n" + "".join(parts)


class GameFiles:
    """A folder with the game, in memory where the system has such a folder; ``close`` removes it.

    ``mod_name`` is the mod that was asked for last: the next server starts as it, since programs of one set share it.
    """

    def __init__(self) -> None:
        place = "/dev/shm" if Path("/dev/shm").is_dir() else None
        self.folder = Path(tempfile.mkdtemp(prefix="luagate-engine-", dir=place))
        self.settings, self.world = self.folder / "engine.conf", self.folder / "world.mt"
        self.mod_name = DEFAULT_MOD
        self._writing = threading.Lock()
        self.settings.write_text(SETTINGS, encoding="utf-8")
        self.world.write_text(WORLD, encoding="utf-8")
        game = self.folder / "games" / "luagate"
        _write_mod(
            game / "mods" / CHECKER_MOD,
            f"name = {CHECKER_MOD}\n",
            {"init.lua": lua_source("engine/boot"), "program.lua": joined(PROGRAM)},
        )
        (game / "game.conf").write_text("title = luagate\n", encoding="utf-8")

    def candidate_mod(self, name: str) -> Path:
        """Return the folder of the mod ``name``, which runs the candidate when a server loads it."""
        folder = self.folder / "candidates" / name
        with self._writing:
            if not folder.exists():
                _write_mod(folder, f"name = {name}\ndepends = {CHECKER_MOD}\n", {"init.lua": LAUNCH})
        return folder

    def new_world(self, mod_name: str) -> Path:
        """Return a fresh world folder with the candidate's mod, for a server that is not given one by its container."""
        folder = Path(tempfile.mkdtemp(prefix="world-", dir=self.folder))
        shutil.copy(self.world, folder / "world.mt")
        shutil.copytree(self.candidate_mod(mod_name), folder / "worldmods" / mod_name)
        return folder

    def close(self) -> None:
        """Remove everything. Safe to call twice."""
        with suppress(FileNotFoundError):
            shutil.rmtree(self.folder)


def _write_mod(folder: Path, conf: str, texts: dict[str, str]) -> None:
    folder.mkdir(parents=True)
    (folder / "mod.conf").write_text(conf, encoding="utf-8")
    for file_name, text in texts.items():
        (folder / file_name).write_text(text, encoding="utf-8")
