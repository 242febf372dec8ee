"""The child of the pool: runs one untrusted Lua program after another, each in a fresh runtime.

Guarantees: the program never holds a Python object (one call in, plain strings out); answers travel on descriptors
that no Lua code can name; memory and CPU time of each program are bounded here, wall time by the parent.
Imports only the standard library, lupa and its own folder; started by path, never forked from the parent.
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
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path += sys.argv[1:2]  # where the parent found lupa

import lupa.luajit21 as lua

from eval.sandbox import limits, seccomp
from eval.sandbox.wire import FrameError, read_frame, write_frame

MAX_JOB_BYTES = 64 << 20
FIRST_PRIVATE_FD = 10
# Join the program's files into one chunk: P is the table they share, ``...`` the on-demand part and the job.
# While it builds its tables there is no garbage to collect.
OPENING = b"collectgarbage('stop') local P = {api = {}, on_demand = (...)}\n"
CLOSING = b"collectgarbage('restart') return P.judge(select(2, ...))\n"


def main() -> None:
    """Serve jobs until the parent closes the pipe."""
    read_fd, write_fd = _take_protocol_descriptors()
    setup = read_frame(read_fd, max_bytes=MAX_JOB_BYTES)
    limits.die_with_parent(setup["parent_pid"])
    network_left = limits.leave_network()
    limits.limit_resources(setup["memory_mb"])
    threading.stack_size(limits.STACK_BYTES)
    server = threading.Thread(target=_serve_or_exit, args=(read_fd, write_fd, setup, network_left))
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


def _serve_or_exit(read_fd: int, write_fd: int, setup: dict[str, Any], network_left: bool) -> None:
    try:
        _serve(read_fd, write_fd, setup, network_left)
    except FrameError:
        os._exit(0)  # the parent closed the pipe: the usual end
    except BaseException as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.stderr.flush()
        os._exit(70)


def _serve(read_fd: int, write_fd: int, setup: dict[str, Any], network_left: bool) -> None:
    bytecode = compile_program(setup["program"], setup["on_demand"])
    memory_bytes = setup["memory_mb"] << 20
    for warm_up in setup["warm_up"]:
        run_program(
            bytecode, warm_up, memory_bytes
        )  # imports and caches what running needs, before the process is locked down
    layers, refused = _lock_down(network_left)
    ready = {"layers": layers, "refused": refused, "luajit": _luajit_version(), "life_cpu_s": _life_cpu_s()}
    write_frame(write_fd, ready)
    while True:
        job = read_frame(read_fd, max_bytes=MAX_JOB_BYTES)
        write_frame(write_fd, _answer(bytecode, job, memory_bytes, setup["cpu_s"]))


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


def compile_program(files: dict[str, str], on_demand: dict[str, str]) -> tuple[bytes, bytes]:
    """Return the bytecode of the judging program and of the part it loads on demand (``P.on_demand``).

    Raises LuaSyntaxError, naming the file, when one does not compile.
    """
    runtime = _new_runtime(64 << 20)
    later = _joined(runtime, on_demand, b"local P = ...\n", b"")
    return _joined(runtime, files, OPENING, CLOSING), later


def _joined(runtime: lua.LuaRuntime, files: dict[str, str], opening: bytes, closing: bytes) -> bytes:
    source = bytearray(opening)
    for name, text in files.items():
        runtime.compile(b"local P = ...\n" + text.encode(), name=b"=" + name.encode())
        source += b"do local f = function(P)\n" + text.encode() + b"\nend f(P) end\n"
    # Stripped of line numbers and names it loads a third faster.
    return bytes(runtime.eval(b"string.dump(loadstring(..., '=judge'), true)", bytes(source + closing)))


def run_program(bytecode: tuple[bytes, bytes], arguments: list[str], memory_bytes: int) -> dict[str, Any]:
    """Run one job in a fresh runtime and return ``{"status", "fields" or "detail"}``."""
    try:
        runtime = _new_runtime(memory_bytes)
        program, on_demand = bytecode
        texts = [text.encode("utf-8", "surrogatepass") for text in arguments]
        fields = runtime.execute(program, on_demand, *texts, name=b"=engine")
        return {"status": "done", "fields": [_plain(field) for field in fields]}
    except (MemoryError, lua.LuaMemoryError):
        return {"status": "memory"}
    except lua.LuaError as error:
        # The judging program protects every call into the candidate: an error that escapes it is a fault of ours.
        return {"status": "fault", "detail": f"judging program: {error}"[:500]}


def _answer(bytecode: tuple[bytes, bytes], job: dict[str, Any], memory_bytes: int, cpu_s: float) -> dict[str, Any]:
    started = time.perf_counter()
    signal.setitimer(signal.ITIMER_PROF, cpu_s)  # SIGPROF's default action ends this process: the parent sees it
    answer = run_program(bytecode, job["arguments"], memory_bytes)
    signal.setitimer(signal.ITIMER_PROF, 0)
    return answer | {"id": job["id"], "seconds": time.perf_counter() - started, "life_cpu_s": _life_cpu_s()}


def _new_runtime(memory_bytes: int) -> lua.LuaRuntime:
    return lua.LuaRuntime(
        encoding=None,
        register_eval=False,
        register_builtins=False,
        attribute_filter=_no_attributes,
        max_memory=memory_bytes,
    )


def _no_attributes(_obj: object, _name: object, _is_setting: bool) -> str:
    raise AttributeError("no Python object is reachable from a program")


def _plain(field: object) -> str | float:
    if isinstance(field, bytes):
        return field.decode("utf-8", "replace")
    if isinstance(field, (int, float)) and not isinstance(field, bool):
        return field
    raise TypeError(f"the judging program returned a {type(field).__name__}")


def _life_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _luajit_version() -> str:
    return str(_new_runtime(0).lua_implementation)


if __name__ == "__main__":
    main()
