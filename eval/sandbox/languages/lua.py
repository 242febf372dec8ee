"""Lua 5.1 as LuaJIT runs it, by lupa: the language of Luanti."""

from __future__ import annotations

import lupa.luajit21 as lua

from eval.sandbox.languages import JudgeFailed, OutOfMemory

COMPILER_BYTES = 64 << 20
# Join the program's files into one chunk: P is the table they share, ``...`` the on-demand part and the job.
# While it builds its tables there is no garbage to collect.
OPENING = b"collectgarbage('stop') local P = {api = {}, on_demand = (...)}\n"
CLOSING = b"collectgarbage('restart') return P.judge(select(2, ...))\n"

Bytecode = tuple[bytes, bytes]


def version() -> str:
    """Return LuaJIT's name and version."""
    return bytes(_new_runtime(0).lua_implementation).decode()


def compile_program(files: dict[str, str], on_demand: dict[str, str]) -> Bytecode:
    """Return the bytecode of the judging program and of the part it loads on demand (``P.on_demand``).

    Raises LuaSyntaxError, naming the file, when one does not compile.
    """
    runtime = _new_runtime(COMPILER_BYTES)
    later = _joined(runtime, on_demand, b"local P = ...\n", b"")
    return _joined(runtime, files, OPENING, CLOSING), later


def _joined(runtime: lua.LuaRuntime, files: dict[str, str], opening: bytes, closing: bytes) -> bytes:
    source = bytearray(opening)
    for name, text in files.items():
        runtime.compile(b"local P = ...\n" + text.encode(), name=b"=" + name.encode())
        source += b"do local f = function(P)\n" + text.encode() + b"\nend f(P) end\n"
    # Stripped of line numbers and names it loads a third faster.
    return bytes(runtime.eval(b"string.dump(loadstring(..., '=judge'), true)", bytes(source + closing)))


def run_program(program: Bytecode, arguments: list[str], memory_bytes: int) -> list[str | float]:
    """Run one job in a fresh LuaJIT; see ``Runtime``."""
    try:
        runtime = _new_runtime(memory_bytes)
        texts = [text.encode("utf-8", "surrogatepass") for text in arguments]
        fields = runtime.execute(*program, *texts, name=b"=engine")
        return [_plain(field) for field in (fields if isinstance(fields, tuple) else (fields,))]
    except (MemoryError, lua.LuaMemoryError):
        raise OutOfMemory from None
    except lua.LuaError as error:
        # The judging program protects every call into the candidate: an error that escapes it is a fault of ours.
        raise JudgeFailed(str(error)) from None


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
