"""The embedded model behind vLLM's protocol, as a process of its own: ``python -m tests.support.own_server PORT``.

A real server for tests where none is installed: it generates, scores and applies adapters by the project's own loop,
sixteen requests together. It prints a line when it is ready.
"""

from __future__ import annotations

import queue
import sys
import threading
from concurrent.futures import Future
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tests.support.fake_server import Fake, Handler, _Server
from tests.support.settings import composed
from training.models import load_model

MODEL = "tiny"


@dataclass(frozen=True)
class Asked:
    prompt: str
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Drawing:
    temperature: float
    top_p: float
    top_k: int
    max_new_tokens: int
    stop: tuple[str, ...]
    thinking: Any


class Engine:
    """Requests of one adapter and one kind of sampling generate together."""

    def __init__(self) -> None:
        self.model: Any = load_model(
            "transformers_peft", composed("model.quantization=none", "model.processes=1").model
        )
        self.texts = self.model._texts
        self.adapters: dict[str, Path] = {}
        self._waiting: queue.Queue[tuple[dict[str, Any], Future[dict[str, Any]]]] = queue.Queue()
        threading.Thread(target=self._work, daemon=True).start()

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        done: Future[dict[str, Any]] = Future()
        self._waiting.put((body, done))
        return done.result()

    def _work(self) -> None:
        while True:
            batch = [self._waiting.get()]
            while len(batch) < 16 and not self._waiting.empty():
                batch.append(self._waiting.get())
            for kind in dict.fromkeys(_kind(body) for body, _ in batch):
                self._together([one for one in batch if _kind(one[0]) == kind])

    def _together(self, batch: list[tuple[dict[str, Any], Future[dict[str, Any]]]]) -> None:
        first = batch[0][0]
        worn = (
            self.model.adapter(self.adapters[first["model"]], 1.0) if first["model"] in self.adapters else nullcontext()
        )
        try:
            with worn:
                choices = (
                    [self._scored(first)] if "prompt_logprobs" in first else self._drawn([body for body, _ in batch])
                )
        except Exception as error:
            for _, done in batch:
                done.set_exception(error)
            return
        for (body, done), choice in zip(batch, choices, strict=True):
            usage = {"prompt_tokens": len(body["prompt"]), "completion_tokens": choice.pop("tokens")}
            done.set_result({"object": "text_completion", "model": body["model"], "choices": [choice], "usage": usage})

    def _drawn(self, bodies: list[dict[str, Any]]) -> list[dict[str, Any]]:
        first = bodies[0]
        drawing = Drawing(
            first["temperature"],
            first["top_p"],
            max(0, first["top_k"]),
            first["max_tokens"],
            tuple(first.get("stop", ())),
            composed().sampling.thinking,
        )
        asked = [Asked(self.texts.tokenizer.decode(body["prompt"]), (body["seed"],)) for body in bodies]
        drawn = [one for [one] in self.model.generate(asked, drawing)]
        return [{"index": 0, "text": d.text, "finish_reason": d.finish, "tokens": d.tokens} for d in drawn]

    @torch.inference_mode()
    def _scored(self, body: dict[str, Any]) -> dict[str, Any]:
        ids = torch.tensor([body["prompt"]])
        chances = self.model._evaluated(input_ids=ids, use_cache=False).logits[0, :-1].double().log_softmax(-1)
        told = chances.gather(1, ids[0, 1:, None])[:, 0].tolist()
        entries = [{str(token): {"logprob": nats}} for token, nats in zip(body["prompt"][1:], told, strict=True)]
        return {"index": 0, "text": "", "finish_reason": "length", "prompt_logprobs": [None, *entries], "tokens": 1}


def _kind(body: dict[str, Any]) -> tuple[Any, ...]:
    """Return what requests must share to generate together; those that score go alone."""
    alone = id(body) if "prompt_logprobs" in body else 0
    stops = tuple(body.get("stop", ()))
    return body["model"], body["temperature"], body.get("top_p"), body.get("top_k"), body["max_tokens"], stops, alone


def main(port: int) -> None:
    """Serve on loopback until killed."""
    torch.set_num_threads(1)
    engine = Engine()
    fake = Fake(model=MODEL, root="training/tiny/model", version="own")

    class Own(Handler):
        def _change_adapters(self, fake: Fake, body: dict[str, Any]) -> None:
            super()._change_adapters(fake, body)
            if body["lora_name"] in fake.strengths:
                engine.adapters[body["lora_name"]] = Path(body["lora_path"])

    fake.completion = engine.answer  # type: ignore[method-assign]
    server = _Server(("127.0.0.1", port), type("Bound", (Own,), {"fake": fake}))
    print("ready", server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]))
