"""One server process seen from the parent: start it, give it its one program, find out how it died, kill it."""

from __future__ import annotations

import base64
import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from eval.domains.luanti.verify.engine.game import SETTINGS_FILE, WORLD_FILE, GameFiles
from eval.domains.luanti.verify.engine.installation import Installation
from eval.sandbox.isolation import Wrapper, bubblewrap, describe
from eval.sandbox.process import StartFailed
from eval.sandbox.watching import Look, Patience, look_at
from eval.sandbox.wire import FrameError, FrameTimeout, read_frame, write_frame

WORLD_INSIDE = "/world"  # of a container
START_TIMEOUT_S = 30.0
LAST_WORDS_S = 5.0
# Outer limits, on top of the exact ones that engine/limits.lua sets: what a server itself needs is far below.
SERVER_MB = 6144  # address space: libraries, the engine, and the stacks of its threads, hardly any of it used
STACK_KB = 256 << 10  # of each thread; less is too small for the deepest recursion LuaJIT allows (through gsub)
FILE_BLOCKS = 8 << 11  # of 512 bytes: 8 MB for the longest file
SERVER_CPU_S = 10
# Descriptor 3 is the answer's; what the engine prints goes nowhere.
START = (
    'ulimit -c 0 && ulimit -f "$1" && ulimit -t "$2" && ulimit -v "$3" && '
    '{ ulimit -s "$4" 2>/dev/null || true; } && shift 4 && exec "$@" 3>&1 1>/dev/null'
)


# By stage, why an engine stops that the program made stop.
CAUSES = {
    "registered": "the engine stopped on what the program registered",
    "running": "the engine stopped on an error in a callback of the program",
}


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """What a server runs and the limits of its one program (as in VerifierSettings)."""

    files: GameFiles
    wrapper: Wrapper
    timeout_s: float
    cpu_s: float
    memory_mb: int
    output_kb: int


class Server:
    """A running server that waits for its one program, and starts again where that program is another mod's.

    Raises:
        StartFailed: it did not report ready in time.
    """

    is_spent = True

    def __init__(self, settings: ServerSettings) -> None:
        self.settings = settings
        self._wrapped = bool(settings.wrapper.prefix)
        self._start(settings.files.mod_name)

    def _start(self, mod_name: str) -> None:
        settings = self.settings
        self._mod_name, self._stage = mod_name, ""
        self._world = None if self._wrapped else settings.files.new_world(mod_name)
        self._process = start_process(settings, mod_name, self._world, subprocess.DEVNULL)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._write_fd, self._read_fd = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._write_fd, False)
        try:
            ready = read_frame(self._read_fd, time.monotonic() + START_TIMEOUT_S)
            self._check_builtin(Path(_text(ready["builtin"])))
        except (FrameError, FrameTimeout, OSError) as error:
            self.kill()
            raise StartFailed(f"{type(error).__name__} {error} {_last_words(settings)}".strip()) from None
        self.isolation = describe(self._wrapped, ["netns"] if self._wrapped else [])
        self.isolation_reason = settings.wrapper.reason
        if ready["limits"] != "true":
            self.isolation_reason += "; its Lua has no ffi, so only the outer limits hold"
        self.version, self.runtime = _text(ready["engine"]), _text(ready["luajit"])
        self._look_before = look_at(self._process.pid)

    def ask(self, arguments: list[str], job_id: int) -> dict[str, Any]:
        """Run the program and return the judging program's answer.

        Raises:
            FrameTimeout: no answer, and its ``Patience`` is over; the server is still running.
            FrameError, OSError: the server ended, or did not start as the program's mod.
        """
        self._become(arguments[1])
        started = time.monotonic()
        patience = Patience(self.look, self.settings.timeout_s, self.settings.cpu_s)
        write_frame(self._write_fd, job_message(self.settings, arguments), patience)
        checks = len(arguments) // 2 - 1
        try:
            answer = self._listen(patience)
            if answer["status"] == "stopped":
                answer = self._stopped(checks)
        except FrameError:
            answer = self._refused(checks)
        return answer | {"id": job_id, "seconds": time.monotonic() - started}

    def _become(self, mod_name: str) -> None:
        """Run as ``mod_name``, as the next servers will from the start."""
        self.settings.files.mod_name = mod_name
        if mod_name != self._mod_name:
            self.kill()
            try:
                self._start(mod_name)
            except StartFailed as error:
                raise FrameError(f"it does not start as mod {mod_name}: {error}") from None

    def look(self) -> Look | None:
        """Return what there is to see of it, CPU time counted from when it was ready; None where nothing is."""
        look = look_at(self._process.pid)
        return look and replace(look, cpu_s=look.cpu_s - (self._look_before.cpu_s if self._look_before else 0.0))

    def death_signal(self) -> int | None:
        """Wait for its death and return the signal that caused it; None when it exited normally."""
        status = self._exit_status()
        if status is None:
            return None
        # bubblewrap reports the death of what it ran as a shell does: 128 + signal.
        return -status if status < 0 else status - 128 if self._wrapped and status > 128 else None

    def last_words(self) -> str:
        """Kill it; its output is discarded."""
        self.kill()
        return ""

    def stop(self) -> None:
        """Kill it from another thread: the waiting thread sees the pipe break."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def kill(self) -> None:
        """Kill it, reap it, close its pipes, remove its world. Safe to call twice."""
        if self._process.returncode is None:
            self.stop()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        if self._world is not None:
            shutil.rmtree(self._world, ignore_errors=True)

    def _check_builtin(self, loaded: Path) -> None:
        """Raise StartFailed when it loaded another engine's Lua than the one that is installed with it."""
        own = self.settings.files.builtin
        if own and not loaded.samefile(own):
            self.kill()
            raise StartFailed(f"it loads {loaded}, which is another engine's Lua than its own in {own}")

    def _listen(self, patience: Patience) -> dict[str, Any]:
        while True:
            frame = read_frame(self._read_fd, patience)
            if "status" in frame:
                fields = [_text(field) if isinstance(field, str) else field for field in frame["fields"]]
                return {"status": frame["status"], "fields": fields, "detail": " ".join(map(str, fields[:1]))}
            self._stage = str(frame["stage"])

    def _refused(self, checks: int) -> dict[str, Any]:
        """Answer for a server that stopped on its own where only the program can be the cause.

        Raises:
            FrameError: it was killed, or stopped where the cause is unknown.
        """
        if self._stage not in CAUSES or (self._exit_status() != 1 and self.death_signal() != signal.SIGABRT):
            raise FrameError("end of file")
        return self._stopped(checks)

    def _stopped(self, checks: int) -> dict[str, Any]:
        fields = ["RUNTIME_ERROR", CAUSES[self._stage], checks, *["skipped", ""] * checks, 0, 0, 0]
        return {"status": "done", "fields": fields}

    def _exit_status(self) -> int | None:
        try:
            return self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.kill()
            return None


def job_message(settings: ServerSettings, arguments: list[str]) -> dict[str, Any]:
    """Return the frame with a program, its mod, name and Lua of each check, and the limits (see engine/boot.lua)."""
    texts = [base64.b64encode(text.encode("utf-8", "surrogatepass")).decode("ascii") for text in arguments]
    limits = {"memory_bytes": settings.memory_mb << 20, "cpu_s": settings.cpu_s}
    return {"arguments": texts, "output_bytes": settings.output_kb << 10, **limits}


def start_process(settings: ServerSettings, mod_name: str, world: Path | None, stderr: int) -> subprocess.Popen[bytes]:
    """Return a started server: the job goes to its stdin, stages and the answer come from its stdout.

    ``world`` is None where its container gives it one.
    """
    files, home = settings.files, WORLD_INSIDE if world is None else str(world)
    candidate = (str(files.candidate_mod(mod_name)), f"{WORLD_INSIDE}/worldmods/{mod_name}")
    mod = ("--ro-bind", *candidate) if world is None else ()
    command = [
        *files.command,
        "--world", home,
        "--gameid", "luagate",
        "--config", f"{home}/{SETTINGS_FILE}",
        "--logfile", "",
    ]  # fmt: skip
    outer_kb = (SERVER_MB + settings.memory_mb) << 10
    numbers = [FILE_BLOCKS, int(SERVER_CPU_S + settings.cpu_s), outer_kb, STACK_KB]
    games = str(files.games)
    return subprocess.Popen(
        ["/bin/sh", "-c", START, "sh", *map(str, numbers), *settings.wrapper.prefix, *mod, *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        bufsize=0,
        cwd=world or "/",
        env={
            "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC0", "HOME": home, "MALLOC_ARENA_MAX": "1",
            "MINETEST_SUBGAME_PATH": games, "LUANTI_GAME_PATH": games, "MINETEST_GAME_PATH": games,
        },
        start_new_session=True,
    )  # fmt: skip


def container(engine: Installation, files: GameFiles) -> Wrapper:
    """Return bubblewrap for a server, untried: a read-only view of the system and the game, a world in memory."""
    places = {engine.server, *engine.libraries, engine.builtin} - {""}
    own = [str(Path(place).parent) for place in places if not place.startswith("/usr/")]
    start = [(str(files.start / name), f"{WORLD_INSIDE}/{name}") for name in (SETTINGS_FILE, WORLD_FILE)]
    seen = [*((place, place) for place in (*own, str(files.folder))), *start]
    return bubblewrap(("--cap-drop", "ALL", "--tmpfs", WORLD_INSIDE), seen, ("--chdir", WORLD_INSIDE))


def _last_words(settings: ServerSettings) -> str:
    """Start a server once more, for what it says before it ends: its last line with text (at most 200 characters)."""
    mod_name = settings.files.mod_name
    world = None if settings.wrapper.prefix else settings.files.new_world(mod_name)
    process = start_process(settings, mod_name, world, subprocess.PIPE)
    try:
        _, said = process.communicate(timeout=LAST_WORDS_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        _, said = process.communicate()
    if world is not None:
        shutil.rmtree(world, ignore_errors=True)
    lines = [line.strip() for line in said.decode("utf-8", "replace").splitlines() if "ERROR" in line or ":" in line]
    return lines[-1][:200] if lines else ""


def _text(field: str) -> str:
    """Return the text in base64 that some engines leave unpadded."""
    return base64.b64decode(field + "=" * (-len(field) % 4)).decode("utf-8", "replace")
