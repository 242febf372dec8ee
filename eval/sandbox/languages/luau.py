"""Luau, Roblox' language: the real compiler and VM, by pluau.

The package cannot be imported on Python 3.11 (a ``type`` statement): its extension is loaded by path. Where a VM ends
it prints a line: descriptor 1 must lead nowhere, as it does in a child. An interrupt would be a Python callback that
makes programs 26 times slower and that pcall swallows: time is bounded by the timer of the child alone.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader
from pathlib import Path
from typing import Any

from eval.sandbox.languages import JudgeFailed, OutOfMemory, library_folder

EXTENSION = "_pluau"
# Optimized, with line numbers but without the names of locals.
OPTIMIZATION, DEBUGGING = 1, 1
# No way to files, bytecode or real globals. What the judging program needs of them it is given as an argument.
WITHHELD = ("require", "loadstring", "collectgarbage", "gcinfo", "print")
# Join the program's files into one chunk: W is the table they share. ``...``: the metatable of vectors, the withheld
# loadstring, then the job.
OPENING = "local W = {later = {}}\nW.vector_metatable, W.loadstring = ...\n"
CLOSING = "return W.judge(select(3, ...))\n"
MEMORY_TEXTS = ("not enough memory", "memory error:", "block too big")

Program = bytes


def version() -> str:
    """Return the VM's name and version, such as "Luau 0.686"."""
    machine = _library().Lua()  # must outlive what is read from it
    return str(_plain(machine.globals().get("_VERSION")))


def compile_program(files: dict[str, str], on_demand: dict[str, str]) -> Program:
    """Return the bytecode of the judging program; its on-demand files are the functions ``W.later[name](W)``.

    Raises RuntimeError, naming the file, when one does not compile.
    """
    parts = [OPENING]
    for name, text in files.items():
        _check(name, text)
        parts.append(f"do local f = function(W)\n{text}\nend f(W) end\n")
    for name, text in on_demand.items():
        _check(name, text)
        parts.append(f'W.later["{Path(name).stem}"] = function(W)\n{text}\nend\n')
    return bytes(_compiler().compile("".join((*parts, CLOSING))))


def _check(name: str, text: str) -> None:
    try:
        _compiler().compile(f"local W = ... {text}")
    except RuntimeError as error:
        raise RuntimeError(f"{name}: {error}") from None


def run_program(program: Program, arguments: list[str], memory_bytes: int) -> list[str | float]:
    """Run one job in a fresh VM; see ``Runtime``."""
    library = _library()
    machine = library.Lua()
    try:
        machine.set_memory_limit(memory_bytes)
        vectors = machine.create_table()
        machine.set_type_metatable(library.LuaType.Vector, vectors)
        load = _withhold(machine.globals())
        machine.sandbox(True)
        # behind the sandbox, which would seal it: the judging program says what methods strings have
        machine.set_type_metatable(library.LuaType.String, machine.create_table())
        judge = machine.load_chunk(program, name="=engine", is_binary_chunk=True)
        texts = [machine.create_string(text.encode("utf-8", "surrogatepass")) for text in arguments]
        return [_plain(field) for field in judge(vectors, load, *texts)]
    except RuntimeError as error:
        if any(text in str(error) for text in MEMORY_TEXTS):
            raise OutOfMemory from None
        raise JudgeFailed(str(error)) from None


def _withhold(names: Any) -> Any:
    load = names.get("loadstring")
    for name in WITHHELD:
        names.set(name, None)
    return load


@cache
def _library() -> Any:
    folder = library_folder("luau")
    files = (
        [file for suffix in EXTENSION_SUFFIXES for file in sorted(folder.glob(f"pluau/{EXTENSION}{suffix}"))]
        if folder
        else []
    )
    if not files:
        raise ImportError("pluau has no extension for this interpreter")
    loader = ExtensionFileLoader(EXTENSION, str(files[0]))
    spec = importlib.util.spec_from_loader(EXTENSION, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


@cache
def _compiler() -> Any:
    return _library().Compiler(OPTIMIZATION, DEBUGGING, 0, 0)


def _plain(field: object) -> str | float:
    if isinstance(field, _library().String):
        return bytes(field.as_bytes()).decode("utf-8", "replace")
    if isinstance(field, (int, float)) and not isinstance(field, bool):
        return field
    raise TypeError(f"the judging program returned a {type(field).__name__}")
