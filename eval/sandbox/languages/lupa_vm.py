"""A Lua of lupa's as a language of the child: the judging program compiled once, a fresh runtime for each job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eval.sandbox.languages import JudgeFailed, OutOfMemory

COMPILER_BYTES = 64 << 20
# Join the program's files into one chunk: P is the table they share, ``...`` the on-demand part and the job.
# While it builds its tables there is no garbage to collect.
OPENING = b"collectgarbage('stop') local P = {api = {}, on_demand = (...)}\n"
CLOSING = b"collectgarbage('restart') return P.judge(select(2, ...))\n"

Bytecode = tuple[bytes, bytes]


class LupaVm:
    """What ``Runtime`` says, by one of lupa's modules; ``first`` are files that run before the judging program's."""

    def __init__(self, lua: Any, first: Mapping[str, str]) -> None:
        self._lua = lua
        self._first = dict(first)

    def version(self) -> str:
        """Return the runtime's name and version."""
        return bytes(self._new_runtime(0).lua_implementation).decode()

    def compile_program(self, files: dict[str, str], on_demand: dict[str, str]) -> Bytecode:
        """Return the bytecode of the judging program and of the part it loads on demand (``P.on_demand``).

        Raises LuaSyntaxError, naming the file, when one does not compile.
        """
        runtime = self._new_runtime(COMPILER_BYTES)
        # loadstring as the first files leave it: the judging program is read as the candidates are
        runtime.execute(OPENING + _functions(self._first))
        later = _joined(runtime, on_demand, b"local P = ...\n", b"")
        return _joined(runtime, self._first | files, OPENING, CLOSING), later

    def run_program(self, program: Bytecode, arguments: list[str], memory_bytes: int) -> list[str | float]:
        """Run one job in a fresh Lua; see ``Runtime``."""
        try:
            runtime = self._new_runtime(memory_bytes)
            texts = [text.encode("utf-8", "surrogatepass") for text in arguments]
            fields = runtime.execute(*program, *texts, name=b"=engine")
            return [_plain(field) for field in (fields if isinstance(fields, tuple) else (fields,))]
        except (MemoryError, self._lua.LuaMemoryError):
            raise OutOfMemory from None
        except self._lua.LuaError as error:
            # The judging program protects every call into the candidate: an error that escapes it is a fault of ours.
            raise JudgeFailed(str(error)) from None

    def _new_runtime(self, memory_bytes: int) -> Any:
        return self._lua.LuaRuntime(
            encoding=None,
            register_eval=False,
            register_builtins=False,
            attribute_filter=_no_attributes,
            max_memory=memory_bytes,
        )


def _joined(runtime: Any, files: Mapping[str, str], opening: bytes, closing: bytes) -> bytes:
    for name, text in files.items():
        runtime.compile(b"local P = ...\n" + text.encode(), name=b"=" + name.encode())
    source = opening + _functions(files) + closing
    # Stripped of line numbers and names it loads a third faster; Lua 5.1 leaves them in.
    return bytes(runtime.eval(b"string.dump(assert(loadstring(..., '=engine')), true)", source))


def _functions(files: Mapping[str, str]) -> bytes:
    return b"".join(b"do local f = function(P)\n" + text.encode() + b"\nend f(P) end\n" for text in files.values())


def _no_attributes(_obj: object, _name: object, _is_setting: bool) -> str:
    raise AttributeError("no Python object is reachable from a program")


def _plain(field: object) -> str | float:
    if isinstance(field, bytes):
        return field.decode("utf-8", "replace")
    if isinstance(field, (int, float)) and not isinstance(field, bool):
        return field
    raise TypeError(f"the judging program returned a {type(field).__name__}")
