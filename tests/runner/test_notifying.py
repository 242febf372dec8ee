"""Who is told how a gate ended, what each is told, and that a failure to tell changes nothing."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from env.refusal import Refusal
from runner.advance.failure import Failure
from runner.advance.notifying import EVENTS, Notice, NotifyingScreen, NotifySettings, read_settings, tell
from runner.runs.state_machine import FINISHED
from tests.support.runs import Cli

NOTICE = Notice("said_no", "2026-12-01_tiny_1a2b", "e", "ADJUST: gain +2.0 pp · κ")


def settings(**changes: Any) -> NotifySettings:
    usual = {"events": EVENTS, "command": "", "webhook": "", "ntfy": "", "desktop": False, "timeout_s": 5.0}
    return NotifySettings(**usual | changes)


@pytest.fixture
def server() -> Iterator[SimpleNamespace]:
    """A server that keeps what it is sent and answers with ``status``."""
    seen = SimpleNamespace(requests=[], status=200, url="")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            seen.requests.append((self.path, dict(self.headers), body))
            self.send_response(seen.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as opened:
        seen.url = f"http://127.0.0.1:{opened.server_port}"
        thread = threading.Thread(target=opened.serve_forever)
        thread.start()
        yield seen
        opened.shutdown()
        thread.join()


def test_a_command_gets_everything_as_variables_and_nothing_as_code(tmp_path: Path) -> None:
    out = tmp_path / "told"
    evil = Notice("crashed", "run", "c", '$(touch hit) "; touch hit')
    command = f'printf "%s|" "$LUAGATE_EVENT" "$LUAGATE_RUN" "$LUAGATE_GATE" "$LUAGATE_TEXT" > {out}'
    assert tell(evil, settings(command=command)) == []
    assert out.read_text() == f"crashed|run|c|{evil.text}|"
    assert not Path("hit").exists()


def test_a_webhook_gets_json_and_ntfy_a_text_with_a_title(server: SimpleNamespace, monkeypatch) -> None:
    monkeypatch.setenv("MY_TOPIC", f"{server.url}/topic")
    assert tell(NOTICE, settings(webhook=f"{server.url}/hook", ntfy="env:MY_TOPIC")) == []
    (hook, headers, body), (topic, more, text) = server.requests
    assert (hook, headers["Content-Type"], json.loads(body)["text"]) == ("/hook", "application/json", NOTICE.text)
    assert (topic, more["Title"], text) == ("/topic", "luagate: gate E said no", NOTICE.text)


def test_whoever_cannot_be_told_is_named_with_the_reason_and_the_others_are_told(
    server: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.status = 500
    monkeypatch.delenv("NOT_SET", raising=False)
    monkeypatch.setenv("PATH", "")
    failed = tell(NOTICE, settings(command="exit 7", webhook=server.url, ntfy="env:NOT_SET", desktop=True))
    assert failed == [
        "notify.command: not told (it ended with 7)",
        "notify.webhook: not told (Internal Server Error)",
        "notify.ntfy: not told (the environment variable NOT_SET is not set)",
        "notify.desktop: not told (neither notify-send nor osascript is installed)",
    ]
    assert len(server.requests) == 1


def test_a_command_that_hangs_is_ended() -> None:
    assert tell(NOTICE, settings(command="sleep 60", timeout_s=0.2)) == ["notify.command: not told (no answer in time)"]


class Recording:
    """A screen that keeps what it is asked to show."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *_: self.shown.append(name)


def test_each_ending_is_told_once_and_shown_all_the_same(tmp_path: Path) -> None:
    out, screen = tmp_path / "told", Recording()
    told = NotifyingScreen(screen, settings(command=f'echo "$LUAGATE_EVENT $LUAGATE_TEXT" >> {out}'))  # type: ignore[arg-type]
    run: Any = SimpleNamespace(id="r", machine=SimpleNamespace(state=FINISHED))
    told.finished(run)
    assert not out.exists(), "typed again, nothing has happened"
    told.gate_ended(run, SimpleNamespace(gate="d", status="passed", headline="swept"))  # type: ignore[arg-type]
    told.gate_ended(run, SimpleNamespace(gate="e", status="failed", headline="ADJUST"))  # type: ignore[arg-type]
    told.gate_crashed(run, "c", Failure("crash", "it broke"))
    told.gate_crashed(run, "c", Failure("stalled", "it hung"))
    told.gate_stopped(run, "c")
    told.finished(run)
    assert out.read_text().splitlines() == [
        "passed swept",
        "said_no ADJUST",
        "crashed it broke",
        "stalled it hung",
        "finished ADJUST",
    ]
    assert screen.shown.count("gate_ended") == 2
    assert screen.shown.count("gate_stopped") == 1


def test_what_is_not_asked_for_is_not_told(tmp_path: Path) -> None:
    out = tmp_path / "told"
    told = NotifyingScreen(Recording(), settings(command=f"echo x >> {out}", events=("crashed",)))  # type: ignore[arg-type]
    told.gate_ended(SimpleNamespace(id="r"), SimpleNamespace(gate="d", status="passed", headline=""))  # type: ignore[arg-type]
    assert not out.exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("events: [", "cannot be read"),
        ("events: []", "needs exactly the keys"),
        (
            "{events: [], command: 5, webhook: '', ntfy: '', desktop: false, timeout_s: 5}",
            "command = 5 has the wrong type",
        ),
        ("{events: [end], command: '', webhook: '', ntfy: '', desktop: false, timeout_s: 5}", 'no event "end"'),
        (
            "{events: [], command: '', webhook: x, ntfy: '', desktop: false, timeout_s: 5}",
            "webhook = 'x': must be a URL",
        ),
        (
            "{events: [], command: '', webhook: '', ntfy: '', desktop: false, timeout_s: 0}",
            "timeout_s = 0.0: must be above 0",
        ),
    ],
)
def test_a_wrong_file_is_refused_before_anything_runs(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    (tmp_path / "notify.yaml").write_text(text)
    monkeypatch.setenv("LUAGATE_NOTIFY", str(tmp_path / "notify.yaml"))
    with pytest.raises(Refusal, match=said):
        read_settings()
    code, printed = cli("notify")
    assert (code, said in printed) == (2, True), printed


def test_the_command_tells_a_test_notice(tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli("notify")[0] == 3, "the shipped file names nobody"
    text = "{events: [], command: 'true', webhook: '', ntfy: '', desktop: false, timeout_s: 5}"
    (tmp_path / "notify.yaml").write_text(text)
    monkeypatch.setenv("LUAGATE_NOTIFY", str(tmp_path / "notify.yaml"))
    assert cli("notify") == (0, "told 1 of 1: command\n")
    (tmp_path / "notify.yaml").write_text(text.replace("true", "false"))
    assert cli("notify")[0] == 1
