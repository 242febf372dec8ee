"""Who is told how a gate ended: a command, a webhook, an ntfy topic, the desktop. A failure to tell changes no run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from env.counts import listed_text
from env.refusal import BadSettings, Refusal
from gates.report import GateReport
from runner.advance.failure import Failure
from runner.advance.loop import Screen
from runner.runs.folder import Run
from runner.runs.locations import CONF
from runner.runs.state_machine import FINISHED

FILE_VARIABLE = "LUAGATE_NOTIFY"
EVENTS = ("passed", "finished", "said_no", "crashed", "stalled")
_URLS = ("http://", "https://")
# The value is what this environment variable holds.
_FROM_ENVIRONMENT = "env:"


@dataclass(frozen=True, slots=True)
class NotifySettings:
    """What conf/notify.yaml says; its comments explain each key. Raises BadSettings naming every wrong value."""

    events: tuple[str, ...]
    command: str
    webhook: str
    ntfy: str
    desktop: bool
    timeout_s: float

    def __post_init__(self) -> None:
        problems = [
            f'events: there is no event "{event}", only {", ".join(EVENTS)}' for event in set(self.events) - {*EVENTS}
        ]
        for name in ("webhook", "ntfy"):
            value = getattr(self, name)
            if value and not value.startswith((*_URLS, _FROM_ENVIRONMENT)):
                problems.append(f"{name} = {value!r}: must be a URL, or env:NAME")
        if not 0 < self.timeout_s <= 60:
            problems.append(f"timeout_s = {self.timeout_s}: must be above 0 and at most 60")
        if problems:
            raise BadSettings(f"notify: {'; '.join(sorted(problems))}.")


@dataclass(frozen=True, slots=True)
class Notice:
    """What is told: one of ``EVENTS``, the run and gate, and a sentence."""

    event: str
    run: str
    gate: str
    text: str

    @property
    def title(self) -> str:
        """Return the sentence's heading, such as 'luagate: gate B said no'."""
        what = "the run" if self.event == "finished" else f"gate {self.gate.upper()}"
        return f"luagate: {what} {self.event.replace('_', ' ')}"


def read_settings(path: Path | None = None) -> NotifySettings:
    """Return who is told, by ``path``, else by the file that $LUAGATE_NOTIFY names, else by conf/notify.yaml.

    Raises:
        Refusal: the file cannot be read, lacks a key, has another one, or a value has the wrong type.
    """
    path = path or Path(os.environ.get(FILE_VARIABLE) or CONF / "notify.yaml")
    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise Refusal(f"{path} cannot be read: {error}.", f"Restore it, or unset {FILE_VARIABLE}.") from None
    known = [each.name for each in fields(NotifySettings)]
    if not isinstance(given, dict) or sorted(given) != sorted(known):
        raise Refusal(f"{path}: needs exactly the keys {listed_text(known, 9)}.", "conf/notify.yaml explains them.")
    kinds: dict[str, Any] = {
        "events": list,
        "command": str,
        "webhook": str,
        "ntfy": str,
        "desktop": bool,
        "timeout_s": (int, float),
    }
    wrong = [key for key, kind in kinds.items() if not isinstance(given[key], kind)]
    if wrong:
        raise Refusal(f"{path}: {wrong[0]} = {given[wrong[0]]!r} has the wrong type.", "conf/notify.yaml explains it.")
    return NotifySettings(
        **given | {"events": tuple(map(str, given["events"])), "timeout_s": float(given["timeout_s"])}
    )


def tell(notice: Notice, settings: NotifySettings) -> list[str]:
    """Tell everybody whom ``settings`` name; return a sentence for each who could not be told."""
    failed = []
    for name, send in _channels(settings):
        try:
            send(notice)
        except (OSError, ValueError, subprocess.SubprocessError, KeyError) as error:
            failed.append(f"notify.{name}: not told ({_why(error)})")
    return failed


def channel_names(settings: NotifySettings) -> list[str]:
    """Return who is told, by their keys."""
    return [name for name, _ in _channels(settings)]


def _channels(settings: NotifySettings) -> Iterator[tuple[str, Callable[[Notice], None]]]:
    limit_s = settings.timeout_s
    if settings.command:
        yield "command", lambda notice: _run(settings.command, _variables(notice), limit_s)
    if settings.webhook:
        yield "webhook", lambda notice: _post(settings.webhook, json.dumps(asdict(notice)), _JSON, limit_s)
    if settings.ntfy:
        yield "ntfy", lambda notice: _post(settings.ntfy, notice.text, {"Title": _ascii(notice.title)}, limit_s)
    if settings.desktop:
        yield "desktop", lambda notice: _run(_desktop_command(notice), {}, limit_s)


_JSON = {"Content-Type": "application/json"}


def _variables(notice: Notice) -> dict[str, str]:
    return {f"LUAGATE_{name.upper()}": value for name, value in asdict(notice).items()}


def _run(command: str | list[str], variables: Mapping[str, str], limit_s: float) -> None:
    subprocess.run(
        command,
        shell=isinstance(command, str),
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=limit_s,
        check=True,
        start_new_session=True,
    )


def _post(address: str, text: str, headers: Mapping[str, str], limit_s: float) -> None:
    if address.startswith(_FROM_ENVIRONMENT):
        address = os.environ[address.removeprefix(_FROM_ENVIRONMENT)]
    if not address.startswith(_URLS):
        raise ValueError("the address is no URL")
    request = urllib.request.Request(address, text.encode(), dict(headers), method="POST")
    with urllib.request.urlopen(request, timeout=limit_s):
        pass


def _desktop_command(notice: Notice) -> list[str]:
    """Return the command that shows a notice on the desktop. Raises FileNotFoundError where no program can."""
    if shutil.which("notify-send"):
        return ["notify-send", "--", notice.title, notice.text]
    if shutil.which("osascript"):
        said = f"display notification {json.dumps(notice.text)} with title {json.dumps(notice.title)}"
        return ["osascript", "-e", said]
    raise FileNotFoundError("neither notify-send nor osascript is installed")


def _ascii(text: str) -> str:
    """Return a header's value: HTTP allows no other signs there."""
    return text.encode("ascii", "replace").decode()


def _why(error: BaseException) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        return f"it ended with {error.returncode}"
    if isinstance(error, subprocess.TimeoutExpired | TimeoutError):
        return "no answer in time"
    if isinstance(error, KeyError):
        return f"the environment variable {error.args[0]} is not set"
    return str(getattr(error, "reason", "") or error)


class NotifyingScreen:
    """A screen that also tells ``settings``' people how gates end; everything else is the screen's own."""

    def __init__(self, screen: Screen, settings: NotifySettings) -> None:
        self._screen, self._settings = screen, settings
        self._last = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._screen, name)

    def gate_ended(self, run: Run, report: GateReport) -> None:
        """Show it, then tell it."""
        self._screen.gate_ended(run, report)
        self._last = report.headline
        self._tell(run, report.gate, "passed" if report.status == "passed" else "said_no", report.headline)

    def gate_crashed(self, run: Run, gate: str, failure: Failure) -> None:
        """Show it, then tell it."""
        self._screen.gate_crashed(run, gate, failure)
        self._tell(run, gate, "stalled" if failure.kind == "stalled" else "crashed", failure.sentence)

    def finished(self, run: Run) -> None:
        """Show it, then tell it where a gate has ended in this call: typed again, nothing has happened."""
        self._screen.finished(run)
        if self._last and run.machine.state == FINISHED:
            self._tell(run, "", "finished", self._last)

    def _tell(self, run: Run, gate: str, event: str, text: str) -> None:
        if event in self._settings.events and (failed := tell(Notice(event, run.id, gate, text), self._settings)):
            self._screen.noticed(run, failed)
