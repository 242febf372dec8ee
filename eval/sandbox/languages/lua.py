"""Lua 5.1 as LuaJIT runs it, by lupa: the language of Luanti."""

from __future__ import annotations

import lupa.luajit21 as lua

from eval.sandbox.languages.lupa_vm import LupaVm

_VM = LupaVm(lua, {})
version, compile_program, run_program = _VM.version, _VM.compile_program, _VM.run_program
