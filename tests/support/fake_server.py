"""A server of the OpenAI completions protocol on loopback, whose model is a hash: as right, or as wrong, as a test asks.

A token is a character. It speaks as vLLM does unless told otherwise, and loads adapters while it runs.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

END = 0
Fault = Callable[["Handler", dict[str, Any]], bool]
"""Handles a completion request in the server's place; False leaves it to the server."""


def digest_of(*parts: object) -> int:
    return int(hashlib.sha256(repr(parts).encode()).hexdigest()[:8], 16)


@dataclass
class Fake:
    """What the server is and does; a test changes it at any time.

    Attributes:
        faults: the next completion requests, in order.
        every: the fault of every completion request, after ``faults``.
        edit: changes every right answer before it is sent.
        honours_seeds: else every request draws anew.
        moves: nats by which an adapter moves an answer's log-probability, for each unit of its strength.
        strengths: of each adapter that is served.
        seen: bodies of the completion requests; ``headers``: of all requests.
    """

    software: str = "vllm"
    version: str = "0.32.0"
    model: str = "base"
    root: str = "org/base"
    base_nats: float = -1.0
    faults: list[Fault] = field(default_factory=list)
    every: Fault | None = None
    edit: Callable[[dict[str, Any]], None] = lambda _answer: None
    honours_seeds: bool = True
    scores: bool = True
    loads: bool = True
    counts: bool = True
    moves: float = 0.5
    hold_s: float = 0.0
    strengths: dict[str, float] = field(default_factory=dict)
    ggufs: list[str] = field(default_factory=list)
    seen: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    unloaded: list[str] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    url: str = ""
    turn: threading.Lock = field(default_factory=threading.Lock)
    opened: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.opened.set()

    def strength(self, body: dict[str, Any]) -> float:
        """Return how strongly an adapter acts on a request."""
        scales = [float(one["scale"]) for one in body.get("lora") or []]
        if scales:
            return scales[0]
        name = body.get("adapters") or body.get("lora_path") or body["model"]
        return 1.0 if body.get("adapters") else self.strengths.get(str(name), 0.0)

    def completion(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to a request."""
        prompt, strength = body["prompt"], self.strength(body)
        ids = prompt if isinstance(prompt, list) else [ord(one) for one in prompt]
        fixed = body.get("seed") if self.honours_seeds else len(self.seen)
        drawn = 0 if body.get("temperature") == 0 else fixed
        text = f"return {digest_of(ids, drawn, strength * self.moves, self.base_nats)}"[: body["max_tokens"]]
        cut = len(text) >= body["max_tokens"]
        choice: dict[str, Any] = {"index": 0, "text": text, "finish_reason": "length" if cut else "stop"}
        if "prompt_logprobs" in body and self.scores:
            told = [{str(token): {"logprob": self.base_nats + strength * self.moves}} for token in ids]
            choice["prompt_logprobs"] = [None, *told[1:]]
        answer = {"id": "1", "object": "text_completion", "model": body["model"], "choices": [choice]}
        if self.counts:
            answer["usage"] = {"prompt_tokens": len(ids), "completion_tokens": len(text) + (not cut)}
        self.edit(answer)
        return answer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    fake: Fake

    def log_message(self, *_: object) -> None:
        pass

    def version_string(self) -> str:
        return "BaseHTTP/0.6" if self.fake.software == "mlx_lm" else "fake"

    def send_json(self, data: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.send_bytes(json.dumps(data).encode(), status, {"Content-Type": "application/json", **(headers or {})})

    def send_bytes(self, content: bytes, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def drop(self) -> None:
        """End the connection in the middle of an answer."""
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b'{"choices": [')
        self.close_connection = True

    def do_GET(self) -> None:
        fake = self.fake
        fake.headers.append(dict(self.headers))
        served = [{"id": fake.model, "root": fake.root, "parent": None}]
        served += [{"id": name, "root": name, "parent": fake.model} for name in fake.strengths]
        pages: dict[str, Any] = {"/v1/models": {"object": "list", "data": served}}
        pages |= {
            "vllm": {"/version": {"version": fake.version}},
            "sglang": {"/get_model_info": {"model_path": "x"}, "/get_server_info": {"version": fake.version}},
            "llama_cpp": {
                "/props": {"default_generation_settings": {}, "build_info": fake.version},
                "/lora-adapters": [{"id": n, "path": path, "scale": 1.0} for n, path in enumerate(fake.ggufs)],
            },
            "mlx_lm": {"/health": {"status": "ok"}},
            "transformers": {"/openapi.json": {"paths": {"/load_model": {}, "/v1/systemone": {}}}},
        }.get(fake.software, {})
        if self.path in pages:
            self.send_json(pages[self.path])
        else:
            self.send_json({"detail": "Not Found"}, 404)

    def do_POST(self) -> None:
        fake = self.fake
        fake.headers.append(dict(self.headers))
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/v1/completions":
            self._complete(fake, body)
        elif self.path.endswith("load_lora_adapter") and fake.loads and fake.software in ("vllm", "sglang"):
            self._change_adapters(fake, body)
        else:
            self.send_json({"detail": "Not Found"}, 404)

    def _change_adapters(self, fake: Fake, body: dict[str, Any]) -> None:
        name = body["lora_name"]
        if "unload" in self.path:
            fake.strengths.pop(name, None)
            fake.unloaded.append(name)
        elif (Path(body["lora_path"]) / "adapter_model.safetensors").is_file():
            fake.strengths[name] = 1.0
        else:
            self.send_json({"error": {"message": f"{body['lora_path']} is not there"}}, 400)
            return
        self.send_bytes(b"Success")

    def _complete(self, fake: Fake, body: dict[str, Any]) -> None:
        with fake.turn:
            fake.seen.append(body)
            fake.at_once += 1
            fake.most_at_once = max(fake.most_at_once, fake.at_once)
            fault = fake.faults.pop(0) if fake.faults else fake.every
        try:
            fake.opened.wait(60)
            if fault is None or not fault(self, body):
                known = body["model"] in (fake.model, *fake.strengths) or fake.software in ("mlx_lm", "transformers")
                self.send_json(*((fake.completion(body),) if known else ({"error": {"message": "no such model"}}, 404)))
        except (BrokenPipeError, ConnectionResetError):
            pass
        finally:
            with fake.turn:
                fake.at_once -= 1


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_: object) -> None:
        """A client that goes away is no fault of the server's."""


@contextmanager
def serving(fake: Fake | None = None) -> Iterator[Fake]:
    """Serve ``fake`` on a free port of loopback; its ``url`` says where."""
    fake = fake or Fake()
    server = _Server(("127.0.0.1", 0), type("Bound", (Handler,), {"fake": fake}))
    fake.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        fake.opened.set()
        server.shutdown()
        server.server_close()
        thread.join()


class Words:
    """A tokenizer without a library: a token is a character; see ``training.backends.local.texts.Texts``."""

    end_tokens = (END,)
    end_token = END

    class tokenizer:
        @staticmethod
        def decode(ids: list[int]) -> str:
            return "".join(map(chr, ids))

    def prompt(self, text: str) -> list[int]:
        return [ord(one) for one in text]

    answer = prompt

    def text(self, ids: list[int]) -> str:
        return "".join(chr(one) for one in ids if one != END)

    def chat(self, user: str, form: object) -> str | None:
        return None
