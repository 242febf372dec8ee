"""The process of one shard: it loads the model, runs the batches it is sent, and leaves when its pipe closes."""

from __future__ import annotations

import signal
import sys
import time
import traceback
from collections.abc import Callable, Generator
from contextlib import ExitStack, closing
from functools import partial
from importlib import import_module
from typing import Any

from env.machine.out_of_memory import DeviceLost
from env.refusal import Refusal
from training.backends.base import DrawStep
from training.backends.local.sharding import connection

# steps of small models come by the thousand a second
_TELL_EVERY_S = 0.25


def serve(descriptor: int) -> None:
    """Answer requests on the pipe at ``descriptor`` until it closes."""
    # ^C reaches the whole terminal group; the parent decides when this process ends
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pipe = connection(descriptor)
    try:
        backend, settings = pipe.recv()
        model = _answer(pipe, lambda: import_module(backend).load(settings), lambda model: model.identity.digest)
        if model is None:
            return
        with ExitStack() as worn:
            while True:
                kind, *arguments = pipe.recv()
                # one that arrives as its batch ends requests nothing
                if kind != "leave":
                    _answer(pipe, partial(_do, model, worn, pipe, kind, arguments), lambda value: value)
    except (EOFError, ConnectionError):
        return


def _do(model: Any, worn: ExitStack, pipe: Any, kind: str, arguments: list[Any]) -> None:
    if kind == "batch":
        _tell_steps(pipe, model.run_batch(*arguments))
        return
    worn.close()
    if kind == "wear":
        worn.enter_context(model.adapter(*arguments))


def _tell_steps(pipe: Any, steps: Generator[DrawStep]) -> None:
    """Send the steps, those without an ended sample together, until they end or the parent leaves them."""
    tokens, told_s = 0, time.monotonic()
    with closing(steps):
        for step in steps:
            tokens += step.tokens
            if step.ended or time.monotonic() - told_s >= _TELL_EVERY_S:
                pipe.send(("step", DrawStep(tokens, step.ended)))
                tokens, told_s = 0, time.monotonic()
            # nothing else can come while a batch is at work
            if pipe.poll():
                pipe.recv()
                return


def _answer(pipe: Any, work: Callable[[], Any], told: Callable[[Any], Any]) -> Any:
    """Send the result of ``work``; return its value, None when it failed."""
    try:
        value = work()
        pipe.send(("done", told(value)))
        return value
    except Refusal as refusal:
        pipe.send(("refused", (refusal.sentence, refusal.fix)))
    except (EOFError, ConnectionError):
        raise
    except DeviceLost as lost:
        pipe.send(("lost", (lost.rows, str(lost.__cause__))))
    except Exception:
        pipe.send(("failed", traceback.format_exc()))
    return None


if __name__ == "__main__":
    serve(int(sys.argv[1]))
