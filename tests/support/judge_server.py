"""A chat endpoint on loopback that grades programs as a test asks: honestly, wrongly, or not at all."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.support import fake_server

_FENCED = re.compile(r"^# The (first|second) program\n\n(`{3,})\n(.*?)\n\2$", re.MULTILINE | re.DOTALL)
Fault = Callable[["Handler"], None]


@dataclass
class JudgeServer:
    """What the server is; a test changes it at any time.

    Attributes:
        says: what it writes about the two programs shown; ``reads`` in its place about the whole turn.
        faults: how the next requests fail, in order; ``seen``: every body; ``headers``: of each.
    """

    says: Callable[[str, str], str]
    model: str = "judge"
    reads: Callable[[str], str] | None = None
    usage: bool = True
    faults: list[Fault] = field(default_factory=list)
    seen: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    url: str = ""


def programs_in(turn: str) -> list[str]:
    """Return the two programs that a turn shows, the first one first."""
    return [code for _, _, code in _FENCED.findall(turn)]


class Handler(fake_server.Handler):
    judge: JudgeServer
    # head and body are two writes: without this each answer waits 40 ms for an acknowledgement
    disable_nagle_algorithm = True

    def version_string(self) -> str:
        return "judge"

    def do_POST(self) -> None:
        judge = self.judge
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        judge.seen.append(body)
        judge.headers.append(dict(self.headers))
        if judge.faults:
            judge.faults.pop(0)(self)
            return
        turn = body["messages"][-1]["content"]
        text = judge.says(*programs_in(turn)) if judge.reads is None else judge.reads(turn)
        answer: dict[str, Any] = {"model": judge.model, "choices": [{"message": {"content": text}}]}
        if judge.usage:
            answer["usage"] = {"prompt_tokens": 700, "completion_tokens": 20}
        self.send_json(answer)


@contextmanager
def judging(says: Callable[[str, str], str], port: int = 0, **more: Any) -> Iterator[JudgeServer]:
    """Serve a judge on a port of loopback, 0 being a free one; its ``url`` says where."""
    judge = JudgeServer(says, **more)
    server = fake_server._Server(("127.0.0.1", port), type("Bound", (Handler,), {"judge": judge}))
    judge.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield judge
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def graded(first: float, second: float) -> str:
    return f'The first reads well.\n{{"first": {first}, "second": {second}}}'


def each(grade: Callable[[str], float]) -> Callable[[str, str], str]:
    """Return a judge that grades each program by itself."""
    return lambda first, second: graded(grade(first), grade(second))


def honest(right: Callable[[str], bool], accuracy: float) -> Callable[[str, str], str]:
    """Return a judge that tells right from wrong with this accuracy; where it errs follows from the program's text."""

    def grade(code: str) -> float:
        errs = int(hashlib.sha256(code.encode()).hexdigest()[:8], 16) / 0xFFFFFFFF >= accuracy
        return 8 if right(code) != errs else 2

    return each(grade)
