"""The files every server is started with, read-only: a game, settings, the start of a world, and a candidate's mod."""

from __future__ import annotations

import shutil
import socket
import tempfile
import threading
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from random import randint

from env.refusal import Refusal
from eval.domains.luanti.mod_names import CHECKER_MOD, DEFAULT_MOD
from eval.domains.luanti.verify.engine.installation import Installation, start_words

LOOPBACK, DEFAULT_PORT = "127.0.0.1", 30000
SETTINGS_FILE, WORLD_FILE = "engine.conf", "world.mt"
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
server_announce = false
bind_address = {{address}}
port = {{port}}
prometheus_listener_address = {{address}}:0
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

    Attributes:
        command: the words that start the engine's server.
        builtin: the folder of the engine's Lua; "" where only the server knows it.
        start: a world's folder before its first server, for a container that gives each server its own.
        mod_name: the mod requested last: the next server starts with it, since programs of one set share it.
    """

    def __init__(self, engine: Installation) -> None:
        place = "/dev/shm" if Path("/dev/shm").is_dir() else None
        self.folder = Path(tempfile.mkdtemp(prefix="luagate-engine-", dir=place))
        self.builtin, self.command = engine.builtin, start_words(engine, self._own_loader(engine))
        self.games, self.start = self.folder / "games", self.folder / "start"
        self.mod_name = DEFAULT_MOD
        self._writing = threading.Lock()
        self._begin_world(self.start, LOOPBACK, DEFAULT_PORT)
        game = self.games / "luagate"
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
        self._begin_world(folder, *_own_endpoint())
        shutil.copytree(self.candidate_mod(mod_name), folder / "worldmods" / mod_name)
        return folder

    def close(self) -> None:
        """Remove everything. Safe to call twice."""
        with suppress(FileNotFoundError):
            shutil.rmtree(self.folder)

    def _own_loader(self, engine: Installation) -> str:
        """Copy the loader of an engine's own system to where the engine finds its files beside it; return its path.

        The engine looks for share/luanti beside the program that runs, which is the loader.
        """
        if not engine.loader:
            return ""
        program, share = self.folder / "bin" / "luantiserver", self.folder / "share"
        for folder in (program.parent, share):
            folder.mkdir()
        shutil.copy(engine.loader, program)
        for name in ("luanti", "minetest"):
            (share / name).symlink_to(Path(engine.builtin).parent)
        return str(program)

    @staticmethod
    def _begin_world(folder: Path, address: str, port: int) -> None:
        folder.mkdir(exist_ok=True)
        (folder / WORLD_FILE).write_text(WORLD, encoding="utf-8")
        (folder / SETTINGS_FILE).write_text(SETTINGS.format(address=address, port=port), encoding="utf-8")


def _write_mod(folder: Path, conf: str, texts: dict[str, str]) -> None:
    folder.mkdir(parents=True)
    (folder / "mod.conf").write_text(conf, encoding="utf-8")
    for file_name, text in texts.items():
        (folder / file_name).write_text(text, encoding="utf-8")


def _own_endpoint() -> tuple[str, int]:
    """Return an address and a free port that no server beside this one is likely to have chosen as well.

    Linux answers on all of 127.0.0.0/8: with its own address a server cannot lose its port before it binds it.
    """
    for address in (f"127.{randint(1, 254)}.{randint(0, 255)}.{randint(1, 254)}", LOOPBACK):
        with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
            trial.bind((address, 0))
            return address, int(trial.getsockname()[1])
    raise Refusal("No port of the loopback network can be bound here.", "Give the process a loopback interface.")
