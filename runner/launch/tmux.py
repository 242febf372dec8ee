"""A tmux session per run: the advance in one pane, its live status in the other, both surviving a lost connection.

A session is identified by a mark on it (a digest of the run's folder), not by its name, and a pane by its mark. What
ended stays on its pane until the session is opened again, which restarts it. tmux is called with lists of arguments;
a run's name and path never pass through a shell.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from env.files import digest
from env.heartbeat import Pulse
from env.refusal import Refusal

# Lines of the lower pane: the status screen of a running gate fits.
STATUS_LINES = 16
SIZE_WHEN_DETACHED = (120, 50)
ANSWER_S = 10.0
# What describes one terminal, shell or connection and must not be passed to another.
_OF_A_TERMINAL = re.compile(
    r"TMUX|TMUX_PANE|TERM|TERM_.*|COLORTERM|COLUMNS|LINES|WINDOWID|DISPLAY|XAUTHORITY|SSH_.*|SHLVL|PWD|OLDPWD|_|STY|"
    r"KRB5CCNAME|XDG_SESSION_.*|DBUS_SESSION_BUS_ADDRESS"
)
# On the line above each pane. tmux's own notice of an ended pane would hide the first line of its output.
_ENDED = "#{?#{pane_dead_signal},killed by signal #{pane_dead_signal},ended with exit code #{pane_dead_status}}"
_HEADING = (
    f" #{{@luagate_shows}}#{{?pane_dead, · {_ENDED} · `python -m runner tmux` advances again,}} · Ctrl-b d leaves "
)


@dataclass(frozen=True, slots=True)
class Session:
    """A run's session.

    Attributes:
        found: its state before: "new" was created now, "ended" was restarted, "running" was left alone.
    """

    name: str
    found: str


@dataclass(frozen=True, slots=True)
class _Pane:
    pane: str
    dead: bool
    shows: str


def require_tmux() -> None:
    """Raise Refusal, with the line that installs it, when tmux is missing."""
    if shutil.which("tmux") is None:
        raise Refusal(
            "tmux is not installed.",
            "`sudo apt install tmux` (Debian, Ubuntu), `sudo dnf install tmux` (Fedora), `brew install tmux` (macOS). "
            "Without it, `nohup python -m runner advance &` survives a lost connection too.",
        )


def session_name(folder: Path) -> str:
    """Return the name of a run's session: 'gates-3f2a' of 2026-11-20_h200_3f2a; tmux allows no ':' and '.' in it."""
    last = re.sub(r"[^A-Za-z0-9_-]+", "-", folder.name.rpartition("_")[2] or folder.name).strip("-")
    return f"gates-{last or _mark(folder)[:4]}"


def find_session(folder: Path) -> str | None:
    """Return the name of the session of this run, whatever it is called now; None where there is none."""
    rows = _rows("list-sessions", "-F", "#{@luagate_run} #{session_name}")
    return next((name for mark, _, name in (row.partition(" ") for row in rows) if mark == _mark(folder)), None)


def is_advancing(session: str) -> bool:
    """Whether the session's advance still runs."""
    return any(pane.shows == "advance" and not pane.dead for pane in _panes(session))


def open_session(folder: Path, advance: Sequence[str], status: Sequence[str]) -> Session:
    """Create the run's session, or restart what ended in it; leave alone what runs.

    Args:
        advance: the command of the upper pane.
        status: the command of the lower pane.

    Raises:
        Refusal: tmux is missing or refuses.
    """
    require_tmux()
    name, found = find_session(folder), "running"
    if name is None:
        return Session(_make(folder, advance, status), "new")
    if not is_advancing(name):
        _show(name, "advance", advance)
        found = "ended"
    _show(name, "status", status)
    return Session(name, found)


def attach(session: str) -> None:
    """Show the session on this terminal until it is detached; inside tmux, switch to it.

    Raises:
        Refusal: this terminal cannot show it, or what showed it was ended from outside. The session itself runs on.
    """
    verb = "switch-client" if os.environ.get("TMUX") else "attach-session"
    command = ["tmux", verb, "-t", f"={session}:"]
    done = subprocess.run(command, check=False, stderr=subprocess.PIPE, text=True, errors="replace")
    if done.returncode:
        raise _not_shown(session, done.returncode, " ".join(done.stderr.split()))


def _not_shown(session: str, returncode: int, said: str) -> Refusal:
    """Return why a session is shown no longer, from how its client ended and what tmux said; TERM only where it did."""
    if "terminal" in said:
        return Refusal(
            f"tmux cannot show session {session} on this terminal (TERM is {os.environ.get('TERM', 'not set')!r}: "
            f"{said}); it runs on without one.",
            f"`TERM=xterm-256color tmux attach -t {session}`, or `python -m runner status --watch`.",
        )
    why = said or "no reason given"
    if returncode < 0:
        why = f"its client was ended by {signal.Signals(-returncode).name}"
    if not _rows("list-panes", "-t", f"={session}:", "-F", "#{pane_id}"):
        return Refusal(f"Session {session} is gone ({why}).", "`python -m runner status` shows the run's progress.")
    return Refusal(
        f"tmux no longer shows session {session} ({why}); the run in it continues.",
        f"`tmux attach -t {session}`, or `python -m runner status --watch`.",
    )


def attach_command(pulse: Pulse) -> str:
    """Return what shows the terminal in which a pulse's advance runs: 'tmux attach -t gates-3f2a'; "" where none does.

    Queries the server that the advance itself reported, so a session of any name and socket is found.
    """
    socket, _, rest = pulse.tmux.partition(",")
    if not rest or pulse.tmux == os.environ.get("TMUX") or shutil.which("tmux") is None:
        return ""
    names = _rows("display-message", "-p", "-t", pulse.tmux_pane, "#{session_name}", socket=socket)
    if not names or not names[0]:
        return ""
    elsewhere = "" if socket == _usual_socket() else f"-S {socket} "
    return f"tmux {elsewhere}attach -t {names[0]}"


def _usual_socket() -> str:
    if os.environ.get("TMUX"):
        return os.environ["TMUX"].partition(",")[0]
    return str(Path(os.environ.get("TMUX_TMPDIR") or "/tmp").resolve() / f"tmux-{os.getuid()}" / "default")


def _mark(folder: Path) -> str:
    return digest(str(folder.resolve()))[:16]


def _make(folder: Path, advance: Sequence[str], status: Sequence[str]) -> str:
    """Create the session with both panes; return its name. The output of an advance that ends at once stays on it."""
    name = _free_name(folder)
    given, gone = changed_environment(os.environ, _server_environment())
    width, height = shutil.get_terminal_size(SIZE_WHEN_DETACHED)
    target, where = f"={name}:", ("-c", _literal(os.getcwd()))
    lines = max(2, min(STATUS_LINES, height // 2))
    # One call, so that both panes have their size and their marks before anything in them can end.
    _tmux(
        *("new-session", "-d", "-s", name, "-n", "advance", "-x", str(width), "-y", str(height)),
        *(*where, *_within(given, gone, advance), ";"),
        *("set-option", "-w", "-t", target, "remain-on-exit", "on", ";"),
        # tmux before 3.3 has no such option, and shows its notice.
        *("set-option", "-q", "-w", "-t", target, "remain-on-exit-format", "", ";"),
        *("set-option", "-w", "-t", target, "pane-border-format", _HEADING, ";"),
        *("set-option", "-w", "-t", target, "pane-border-status", "top", ";"),
        *("set-option", "-p", "-t", target, "@luagate_shows", "advance", ";"),
        *("set-option", "-t", target, "@luagate_run", _mark(folder), ";"),
        *("split-window", "-d", "-t", target, "-v", "-l", str(lines), *where, *_within(given, gone, status), ";"),
        *("set-option", "-p", "-t", f"{target}.{{bottom}}", "@luagate_shows", "status"),
    )
    # For windows that are opened in it by hand.
    for words in (*((variable, _argument(value)) for variable, value in given.items()), *(("-r", v) for v in gone)):
        _tmux("set-environment", "-t", target, *words)
    return name


def _free_name(folder: Path) -> str:
    name = session_name(folder)
    is_taken = name in _rows("list-sessions", "-F", "#{session_name}")
    return f"{name}-{_mark(folder)[:4]}" if is_taken else name


def _show(session: str, shows: str, command: Sequence[str]) -> None:
    """Have a pane of the session run ``command``: the one that did before, or a new one; keep one that still runs."""
    pane = next((pane for pane in _panes(session) if pane.shows == shows), None)
    if pane is not None and not pane.dead:
        return
    given, gone = changed_environment(os.environ, _server_environment())
    words = ("-c", _literal(os.getcwd()), *_within(given, gone, command))
    if pane is not None:
        _tmux("respawn-pane", "-t", pane.pane, *words)
        return
    where = ("-v", "-l", str(STATUS_LINES)) if shows == "status" else ("-v", "-b")
    made = _tmux("split-window", "-d", "-P", "-F", "#{pane_id}", "-t", f"={session}:", *where, *words)
    _tmux("set-option", "-p", "-t", made.strip(), "@luagate_shows", shows)


def changed_environment(
    wanted: Mapping[str, str], servers: Mapping[str, str] | None
) -> tuple[dict[str, str], list[str]]:
    """Return the variables a pane must be given, and those it must lose, to match this shell's environment.

    A server keeps the environment of the shell that first started it. ``servers`` is None where none runs: the one
    that starts now inherits this shell's environment.
    """
    if servers is None:
        return {}, []
    given = {
        name: value
        for name, value in wanted.items()
        if _passes(name) and "\n" not in value and servers.get(name) != value
    }
    return given, [name for name in servers if _passes(name) and name not in wanted]


def _passes(name: str) -> bool:
    return re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) is not None and not _OF_A_TERMINAL.fullmatch(name)


def _server_environment() -> dict[str, str] | None:
    """Return the environment new panes start with, None where no server runs."""
    done = _run("show-environment", "-g")
    if done.returncode:
        return None
    return dict(row.split("=", 1) for row in done.stdout.splitlines() if "=" in row)


def _within(given: Mapping[str, str], gone: Sequence[str], command: Sequence[str]) -> list[str]:
    """Return ``command`` run with these variables set and those unset; env(1) is replaced by it."""
    unset = [word for name in gone for word in ("-u", name)]
    changes = [*unset, *(f"{name}={value}" for name, value in given.items())]
    return [_argument(word) for word in (*(("env", *changes) if changes else ()), *command)]


def _argument(word: str) -> str:
    """Return a word as tmux takes it: at a final ';' it would end its command."""
    return f"{word[:-1]}\\;" if word.endswith(";") else word


def _literal(text: str) -> str:
    """Return a path where tmux would expand '#{...}' and execute '#(...)'."""
    return _argument(text.replace("#", "##"))


def _panes(session: str) -> list[_Pane]:
    rows = _rows("list-panes", "-s", "-t", f"={session}:", "-F", "#{pane_id} #{pane_dead} #{@luagate_shows}")
    return [_Pane(pane, dead == "1", shows) for pane, dead, shows in (row.split(" ", 2) for row in rows)]


def _rows(*words: str, socket: str = "") -> list[str]:
    """Return the lines tmux prints; none where there is no tmux, no server or no such object."""
    if shutil.which("tmux") is None:
        return []
    done = _run(*words, socket=socket)
    return done.stdout.splitlines() if done.returncode == 0 else []


def _tmux(*words: str) -> str:
    """Return what tmux prints. Raises Refusal with its own message when it refuses."""
    done = _run(*words)
    if done.returncode:
        said = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[0]
        raise Refusal(
            f"tmux {words[0]}: {said}.",
            "`python -m runner advance` needs no tmux; `nohup python -m runner advance &` survives a lost connection.",
        )
    return done.stdout


def _run(*words: str, socket: str = "") -> subprocess.CompletedProcess[str]:
    command = ["tmux", *(("-S", socket) if socket else ()), *words]
    try:
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=ANSWER_S, check=False
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"the server did not answer in {ANSWER_S:.0f} s")
