"""Lua 5.1 by lupa, where that has no LuaJIT (on macOS): files in ``as_luajit`` make it read and offer the same.

What they cannot make the same is listed in docs/luantibench.md. ``P.lacks`` tells of a program that meets it, and that
program gets no verdict.
"""

from __future__ import annotations

from pathlib import Path

import lupa.lua51 as lua

from eval.sandbox.languages.lupa_vm import LupaVm

FIRST = ("library", "bits", "jumps", "texts")

_folder = Path(__file__).with_name("as_luajit")
_VM = LupaVm(lua, {f"as_luajit/{name}.lua": (_folder / f"{name}.lua").read_text(encoding="utf-8") for name in FIRST})
version, compile_program, run_program = _VM.version, _VM.compile_program, _VM.run_program
