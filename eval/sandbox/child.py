"""The child of the pool: runs one untrusted program after another, each in a fresh runtime of one language.

Guarantees: the program never holds a Python object (one call in, plain strings out); answers travel on descriptors
that no program can name; memory and CPU time of each program are bounded here, wall time by the parent.
Imports only the standard library, its own folder and the language's library; started by path with the file of the
language's module and the folder of its library, never forked from the parent.
"""

from __future__ import annotations

import fcntl
import os
import resource
import signal
import socket
import sys
import threading
import time
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path += sys.argv[2:3]  # where the parent found the language's library

from eval.sandbox import limits, seccomp
from eval.sandbox.languages import JudgeFailed, OutOfMemory, Runtime
from eval.sandbox.wire import FrameError, read_frame, write_frame

MAX_JOB_BYTES = 64 << 20
FIRST_PRIVATE_FD = 10


def main() -> None:
    """Serve jobs until the parent closes the pipe."""
    read_fd, write_fd = _take_protocol_descriptors()
    setup = read_frame(read_fd, max_bytes=MAX_JOB_BYTES)
    runtime: Any = import_module(f"eval.sandbox.languages.{Path(sys.argv[1]).stem}")
    limits.die_with_parent(setup["parent_pid"])
    network_left = limits.leave_network()
    limits.limit_resources(setup["memory_mb"])
    threading.stack_size(limits.STACK_BYTES)
    server = threading.Thread(target=_serve_or_exit, args=(read_fd, write_fd, runtime, setup, network_left))
    server.start()
    server.join()


def _take_protocol_descriptors() -> tuple[int, int]:
    """Move the pipes away from 0 and 1, which then lead nowhere, and return them."""
    read_fd = fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, FIRST_PRIVATE_FD)
    write_fd = fcntl.fcntl(1, fcntl.F_DUPFD_CLOEXEC, FIRST_PRIVATE_FD)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1):
        os.dup2(nowhere, fd)
    os.close(nowhere)
    return read_fd, write_fd


def _serve_or_exit(read_fd: int, write_fd: int, runtime: Runtime, setup: dict[str, Any], network_left: bool) -> None:
    try:
        _serve(read_fd, write_fd, runtime, setup, network_left)
    except FrameError:
        os._exit(0)  # the parent closed the pipe: the usual end
    except BaseException as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.stderr.flush()
        os._exit(70)


def _serve(read_fd: int, write_fd: int, runtime: Runtime, setup: dict[str, Any], network_left: bool) -> None:
    program = runtime.compile_program(setup["program"], setup["on_demand"])
    memory_bytes = setup["memory_mb"] << 20
    for warm_up in setup["warm_up"]:
        run_program(
            runtime, program, warm_up, memory_bytes
        )  # imports and caches what running needs, before the process is locked down
    layers, refused = _lock_down(network_left)
    ready = {"layers": layers, "refused": refused, "runtime": runtime.version(), "life_cpu_s": _life_cpu_s()}
    write_frame(write_fd, ready)
    while True:
        job = read_frame(read_fd, max_bytes=MAX_JOB_BYTES)
        write_frame(write_fd, _answer(runtime, program, job, memory_bytes, setup["cpu_s"]))


def _lock_down(network_left: bool) -> tuple[list[str], str]:
    """Lock this process down; return the layers whose effect was confirmed from inside, and why others are missing."""
    time.tzset()
    limits.forbid_processes()
    refused = "" if limits.forbid_new_privileges() else "no_new_privs is not available"
    refused = refused or seccomp.install()
    layers = ["netns"] if network_left else []
    if not refused and _is_locked():
        layers.append("seccomp")
    elif not refused:
        refused = "the filter was installed but had no effect"
    return layers, refused


def _is_locked() -> bool:
    """Whether opening a file and making a socket are refused."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
        return False
    except PermissionError:
        pass
    try:
        socket.socket().close()
        return False
    except PermissionError:
        return True


def run_program(runtime: Runtime, program: Any, arguments: list[str], memory_bytes: int) -> dict[str, Any]:
    """Run one job in a fresh runtime and return ``{"status", "fields" or "detail"}``."""
    try:
        return {"status": "done", "fields": runtime.run_program(program, arguments, memory_bytes)}
    except OutOfMemory:
        return {"status": "memory"}
    except JudgeFailed as error:
        return {"status": "fault", "detail": f"judging program: {error}"[:500]}


def _answer(runtime: Runtime, program: Any, job: dict[str, Any], memory_bytes: int, cpu_s: float) -> dict[str, Any]:
    started = time.perf_counter()
    signal.setitimer(signal.ITIMER_PROF, cpu_s)  # SIGPROF's default action ends this process: the parent sees it
    answer = run_program(runtime, program, job["arguments"], memory_bytes)
    signal.setitimer(signal.ITIMER_PROF, 0)
    return answer | {"id": job["id"], "seconds": time.perf_counter() - started, "life_cpu_s": _life_cpu_s()}


def _life_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
