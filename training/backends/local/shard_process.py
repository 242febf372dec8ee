"""The process of one shard: it loads the model, runs the batches it is sent, and leaves when its pipe closes."""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from importlib import import_module
from typing import Any

from env.refusal import Refusal
from training.backends.local.sharding import connection


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
                _answer(pipe, partial(_do, model, worn, kind, arguments), lambda value: value)
    except (EOFError, ConnectionError):
        return


def _do(model: Any, worn: ExitStack, kind: str, arguments: list[Any]) -> Any:
    if kind == "batch":
        return model.run_batch(*arguments)
    worn.close()
    if kind == "wear":
        worn.enter_context(model.adapter(*arguments))
    return None


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
    except Exception:
        pipe.send(("failed", traceback.format_exc()))
    return None


if __name__ == "__main__":
    serve(int(sys.argv[1]))
