"""A run in tmux outlives its viewers; what a session is called, is given and is asked never passes a shell."""

from __future__ import annotations

import io
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from env.refusal import Refusal
from runner.launch import tmux
from runner.launch.ssh import dies_with_connection, should_tell
from runner.screens import print_connection_hint
from tests.support.runs import (
    PROJECT,
    SMOKE,
    environment,
    events,
    is_alive,
    only_run,
    pulse,
    results_of,
    runner,
    wait_until,
)

# --- what can be said without tmux


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("2026-11-20_h200_3f2a", "gates-3f2a"),
        ("renamed: by.hand $(reboot)", "gates-renamed-by-hand-reboot"),
        ("-", f"gates-{tmux._mark(Path('-'))[:4]}"),
    ],
)
def test_a_session_is_named_by_letters_that_neither_tmux_nor_a_shell_expands(folder: str, name: str) -> None:
    assert tmux.session_name(Path(folder)) == name


def test_a_pane_gets_this_shells_environment_and_loses_what_only_the_server_has() -> None:
    here = {"PATH": "/venv/bin", "LUAGATE_RESULTS": "/r", "HF_HOME": "/same", "TERM": "xterm", "SSH_TTY": "/dev/pts/1"}
    server = {"PATH": "/usr/bin", "HF_HOME": "/same", "CUDA_VISIBLE_DEVICES": "1", "SSH_TTY": "/dev/pts/0", "TMUX": "x"}
    assert tmux.changed_environment(here, server) == (
        {"PATH": "/venv/bin", "LUAGATE_RESULTS": "/r"},
        ["CUDA_VISIBLE_DEVICES"],
    )


def test_a_server_that_is_started_here_needs_no_environment_on_its_command_line() -> None:
    assert tmux.changed_environment({"HF_TOKEN": "secret"}, None) == ({}, [])


def test_a_final_semicolon_does_not_end_a_tmux_command_and_a_path_is_not_expanded() -> None:
    assert tmux._argument("/runs/a;") == "/runs/a\\;"
    assert tmux._literal("/runs/#(reboot)") == "/runs/##(reboot)"


def test_without_tmux_one_sentence_says_how_to_install_it(tmp_path: Path) -> None:
    bare = {**environment(tmp_path / "results"), "PATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "runner", "tmux", *SMOKE],
        cwd=PROJECT, env=bare, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("✗ tmux is not installed.\n  fix: `sudo apt install tmux`")
    assert not (tmp_path / "results").exists(), "nothing was begun"


# --- what is said when a session is no longer shown


def fake_tmux(folder: Path, attaching: str, panes: str) -> str:
    """Return a PATH on which tmux does ``attaching`` when it attaches, and lists ``panes`` when asked for them."""
    script = folder / "tmux"
    script.write_text(f'#!/bin/sh\ncase "$1" in attach-session) {attaching};; list-panes) {panes};; esac\n')
    script.chmod(0o755)
    return f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin"


@pytest.mark.parametrize(
    ("attaching", "panes", "sentence", "blames_terminal"),
    [
        ("kill -TERM $$", "echo %1", "tmux no longer shows session gates-1 (its client was ended by SIGTERM)", False),
        ("kill -HUP $$; sleep 9", "exit 1", "Session gates-1 is gone (its client was ended by SIGHUP)", False),
        ("echo lost server >&2; exit 1", "exit 1", "Session gates-1 is gone (lost server)", False),
        ("echo open terminal failed: unsuitable terminal: x >&2; exit 1", "echo %1", "tmux cannot show session", True),
    ],
)
def test_only_a_terminal_that_tmux_itself_refuses_is_blamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attaching: str, panes: str, sentence: str, blames_terminal: bool
) -> None:
    monkeypatch.setenv("PATH", fake_tmux(tmp_path, attaching, panes))
    monkeypatch.delenv("TMUX", raising=False)
    with pytest.raises(Refusal) as refused:
        tmux.attach("gates-1")
    assert refused.value.sentence.startswith(sentence)
    assert ("TERM" in f"{refused.value.sentence} {refused.value.fix}".replace("SIGTERM", "")) is blames_terminal


# --- what is said over SSH


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


SSH = {"SSH_CONNECTION": "10.0.0.2 50000 10.0.0.1 22"}


@pytest.fixture(autouse=True)
def _hang_ups_are_heard() -> Iterator[None]:
    """Whoever runs the tests under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(
    ("variables", "stream", "dies"),
    [
        (SSH, Terminal(), True),
        ({"SSH_TTY": "/dev/pts/0"}, Terminal(), True),
        ({}, Terminal(), False),
        (SSH, io.StringIO(), False),
        (SSH | {"TMUX": "/tmp/tmux-0/default,1,0"}, Terminal(), False),
        (SSH | {"STY": "12.pts-0.host"}, Terminal(), False),
    ],
)
def test_only_a_bare_terminal_over_ssh_dies_with_its_connection(
    variables: dict[str, str], stream: io.StringIO, dies: bool
) -> None:
    assert dies_with_connection(variables, stream) is dies


def test_under_nohup_nothing_is_said() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert not dies_with_connection(SSH, Terminal())
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_run_is_informed_of_tmux_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TMUX", raising=False)
    monkeypatch.delenv("STY", raising=False)
    monkeypatch.setenv("SSH_CONNECTION", SSH["SSH_CONNECTION"])
    assert not should_tell(tmp_path, io.StringIO()), "a pipe is not told, and that does not count"
    assert should_tell(tmp_path, Terminal())
    assert not should_tell(tmp_path, Terminal())


def test_the_hint_names_what_would_outlive_the_connection(tmp_path: Path) -> None:
    stream = io.StringIO()
    print_connection_hint(tmp_path / "2026-11-20_h200_3f2a", stream)
    assert "over SSH, outside tmux: a lost connection stops this run; nothing is lost." in stream.getvalue()
    assert f"python -m runner tmux --run {tmp_path}/2026-11-20_h200_3f2a" in stream.getvalue()


# --- real sessions, on a server of their own

real = [
    pytest.mark.debian,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed (Debian package tmux)"),
    pytest.mark.timeout(1200),
]


class Server:
    """A tmux server whose socket lies in a folder of the test, and the runner called beside it."""

    def __init__(self, folder: Path, results: Path) -> None:
        self.results = results
        surroundings = {**environment(results), "TMUX_TMPDIR": str(folder), "TERM": "xterm", "SHELL": "/bin/sh"}
        self.environment = {k: v for k, v in surroundings.items() if k not in ("TMUX", "TMUX_PANE", "STY")}

    def tmux(self, *words: str) -> str:
        """Return what a tmux command prints; "" where there is no server."""
        return subprocess.run(
            ["tmux", *words], env=self.environment, capture_output=True, text=True, timeout=60, check=False
        ).stdout

    def runner(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run ``python -m runner`` without a terminal."""
        return subprocess.run(
            [sys.executable, "-m", "runner", *words],
            cwd=PROJECT, env={**self.environment, **more}, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=240, check=False,
        )  # fmt: skip

    def panes(self) -> list[dict[str, str]]:
        """Return every pane: what it shows, whether it is dead, and the text on it."""
        found = []
        for row in self.tmux("list-panes", "-a", "-F", "#{pane_id} #{pane_dead} #{@luagate_shows}").splitlines():
            pane, dead, shows = row.split(" ", 2)
            found.append({"shows": shows, "dead": dead, "text": self.tmux("capture-pane", "-p", "-S", "-", "-t", pane)})
        return found

    def pane(self, shows: str) -> dict[str, str]:
        """Return the one pane that shows the advance or the status."""
        [pane] = [pane for pane in self.panes() if pane["shows"] == shows]
        return pane

    def clients(self) -> int:
        """Return how many terminals look at it."""
        return len(self.tmux("list-clients").splitlines())


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    # a socket's path has at most 107 bytes: pytest's own folders may be longer
    server = Server(tmp_path_factory.mktemp("t"), tmp_path_factory.mktemp("r") / "results; #(touch x)")
    try:
        yield server
    finally:
        server.tmux("kill-server")


class Client:
    """``python -m runner tmux`` on a terminal of its own, as a person has it over SSH."""

    def __init__(self, server: Server) -> None:
        self.pid, self.descriptor = pty.fork()
        if self.pid == 0:
            os.chdir(PROJECT)
            os.execve(sys.executable, [sys.executable, "-m", "runner", "tmux"], server.environment)
        self.status: int | None = None

    def read(self) -> None:
        """Drop what it draws, so that it never waits for a reader."""
        while select.select([self.descriptor], [], [], 0)[0]:
            try:
                if not os.read(self.descriptor, 65536):
                    return
            except OSError:
                return

    def ended(self) -> bool:
        """Whether it is over."""
        self.read()
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.status = os.waitstatus_to_exitcode(status) if pid else None
        return self.status is not None

    def lose_the_connection(self) -> None:
        """Close the terminal, as sshd does: the kernel hangs up."""
        os.close(self.descriptor)
        wait_until(lambda: os.waitpid(self.pid, os.WNOHANG)[0] != 0, "a client without a terminal ends")


def ended(folder: Path, gate: str) -> bool:
    """Whether a gate looked and concluded."""
    return any(event["type"] in ("gate_passed", "gate_failed") and event["gate"] == gate for event in events(folder))


def marked(function: Any) -> Any:
    """Mark a test as one that needs a real tmux."""
    for mark in real:
        function = mark(function)
    return function


@pytest.mark.slow
@marked
def test_a_run_in_tmux_is_started_left_lost_found_again_and_finished(server: Server, tmp_path: Path) -> None:
    begun = server.runner("tmux", *SMOKE)
    assert begun.returncode == 0, begun.stderr
    folder = only_run(server.results)
    name = tmux.session_name(folder)
    assert f"attach: tmux attach -t {name}\n" in begun.stdout
    # the connection is lost while somebody looks: the run does not notice
    wait_until(lambda: bool(pulse(folder)), "a worker's first pulse")
    first = Client(server)
    wait_until(lambda: not first.ended() and server.clients() == 1, "`runner tmux` attaches to the session there is")
    supervisor = pulse(folder)["supervisor_pid"]
    first.lose_the_connection()
    wait_until(lambda: server.clients() == 0, "tmux notices the lost client")
    assert is_alive(supervisor)
    assert server.pane("advance")["dead"] == "0"
    # from another shell the status names the session
    assert f"tmux attach -t {name}" in server.runner("status").stdout
    # found again; detached by the keys
    second = Client(server)
    wait_until(lambda: not second.ended() and server.clients() == 1, "a second terminal comes back")
    os.write(second.descriptor, b"\x02d")
    wait_until(second.ended, "Ctrl-b d detaches")
    assert second.status == 0
    # finished: both panes keep the end, and the results are those of a run that nobody touched
    for gate in "abcde":
        wait_until(lambda: ended(folder, gate), f"gate {gate} ends")  # noqa: B023
    wait_until(lambda: server.pane("advance")["dead"] == "1", "the advance ends")
    wait_until(lambda: server.pane("status")["dead"] == "1", "the watched status ends with it")
    assert "E decision" in server.pane("advance")["text"]
    assert "gate_e/report.json" in server.pane("status")["text"] or "report.html" in server.pane("status")["text"]
    undisturbed = tmp_path / "undisturbed"
    assert runner("advance", *SMOKE, results=undisturbed).returncode in (0, 3)
    assert results_of(folder) == results_of(only_run(undisturbed))


@marked
def test_a_killed_advance_continues_in_the_session_it_had(server: Server) -> None:
    assert server.runner("tmux", "--to", "A", *SMOKE).returncode == 0
    folder = only_run(server.results)
    wait_until(lambda: bool(pulse(folder).get("pid")), "a worker's first pulse")
    assert "is already running" in server.runner("tmux").stdout
    os.kill(pulse(folder)["supervisor_pid"], signal.SIGKILL)
    wait_until(lambda: server.pane("advance")["dead"] == "1", "the pane keeps what was on it")
    wait_until(lambda: not is_alive(pulse(folder)["pid"]), "the worker follows its supervisor")
    again = server.runner("tmux", "--to", "A")
    assert "continues" in again.stdout, again.stderr
    assert len(server.panes()) == 2, "no pane was added"
    wait_until(lambda: events(folder)[-1]["type"] == "gate_passed", "gate A passes")


@marked
def test_a_session_on_an_old_server_has_this_shells_environment(server: Server) -> None:
    stale = {**server.environment, "CUDA_VISIBLE_DEVICES": "7", "LUAGATE_RESULTS": "/nowhere"}
    subprocess.run(["tmux", "new-session", "-d", "-s", "mine"], env=stale, check=True)
    odd = {"LUAGATE_NOTE": 'it\'s; #(touch x) "here";'}
    assert server.runner("tmux", "--to", "A", *SMOKE, **odd).returncode == 0
    folder = only_run(server.results)
    wait_until(lambda: bool(pulse(folder).get("pid")), "a worker's first pulse")
    worker = Path(f"/proc/{pulse(folder)['pid']}/environ").read_bytes().split(b"\0")
    assert f"LUAGATE_RESULTS={server.results}".encode() in worker
    assert f"LUAGATE_NOTE={odd['LUAGATE_NOTE']}".encode() in worker
    assert not [variable for variable in worker if variable.startswith(b"CUDA_VISIBLE_DEVICES=")]
    name = tmux.session_name(folder)
    assert "-CUDA_VISIBLE_DEVICES" in server.tmux("show-environment", "-t", name).splitlines()
    assert "mine" in server.tmux("list-sessions"), "other sessions are left alone"


@marked
def test_inside_tmux_the_terminal_is_switched_and_nothing_is_nested(server: Server) -> None:
    pid, descriptor = pty.fork()
    if pid == 0:
        os.execvpe("tmux", ["tmux", "new-session", "-s", "mine"], server.environment)
    try:
        wait_until(lambda: server.clients() == 1, "a person is in a session of their own")
        typed = f"cd {PROJECT} && {sys.executable} -m runner tmux --to A {' '.join(SMOKE)}\n"
        os.write(descriptor, typed.encode())
        shown = "#{session_name} #{client_termname}"
        wait_until(
            lambda: server.tmux("list-clients", "-F", shown).startswith("gates-"), "the same terminal shows the session"
        )
        assert server.clients() == 1
        assert sorted(server.tmux("list-sessions", "-F", "#{session_name}").split())[1:] == ["mine"]
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(descriptor)


@marked
def test_a_run_advanced_outside_tmux_is_not_advanced_twice(server: Server) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "runner", "advance", "--to", "A", *SMOKE],
        cwd=PROJECT, env=server.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_until(lambda: server.results.is_dir() and bool(list(server.results.glob("*/heartbeat.json"))), "it runs")
        refused = server.runner("tmux")
        assert refused.returncode == 4, refused.stdout + refused.stderr
        assert f"pid {process.pid}" in refused.stderr
        assert server.tmux("list-sessions") == ""
    finally:
        process.kill()
        process.wait()


@marked
def test_an_advance_that_ends_at_once_leaves_its_words_and_its_exit_code_on_the_pane(
    server: Server, tmp_path: Path
) -> None:
    # tmux 3.3 can lose what a process writes as it dies; an interpreter takes longer than a shell to end
    code = (
        "import sys; from pathlib import Path; from runner.launch.tmux import open_session\n"
        "open_session(Path(sys.argv[1]), ['sh', '-c', 'echo refused; sleep 0.3; exit 2'], ['sh', '-c', 'kill -9 $$'])"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=PROJECT, env=server.environment, check=True)
    wait_until(lambda: [pane["dead"] for pane in server.panes()] == ["1", "1"], "both end")
    shown = server.tmux("capture-pane", "-p", "-t", ":.{top}")
    assert shown.startswith("refused\n"), "on the pane itself, not scrolled away"
    headings = [
        server.tmux("display-message", "-p", "-t", f":.{pane}", "#{T:pane-border-format}")
        for pane in ("{top}", "{bottom}")
    ]
    # tmux 3.3 does not always learn the status of a process that ends at once, and then tells none
    assert re.search("advance · ended with exit code 2? · `python -m runner tmux` advances again", headings[0])
    assert re.search("status · (killed by signal 9|ended with exit code ) · ", headings[1])


@marked
def test_two_runs_of_one_name_have_two_sessions(server: Server, tmp_path: Path) -> None:
    folders = [tmp_path / "one" / "x_ab12", tmp_path / "two" / "x_ab12"]
    for folder in folders:
        folder.mkdir(parents=True)
    code = (
        "import sys; from pathlib import Path; from runner.launch.tmux import open_session\n"
        "print(open_session(Path(sys.argv[1]), ['sleep', '60'], ['sleep', '60']).name)"
    )
    names = [
        subprocess.run(
            [sys.executable, "-c", code, str(folder)],
            cwd=PROJECT, env=server.environment, capture_output=True, text=True, check=True,
        ).stdout.strip()
        for folder in (*folders, *folders)
    ]  # fmt: skip
    assert names[0] == "gates-ab12"
    assert names[1].startswith("gates-ab12-")
    assert names[2:] == names[:2], "each finds its own again"
    assert sorted(server.tmux("list-sessions", "-F", "#{session_name}").split()) == sorted(names[:2])
