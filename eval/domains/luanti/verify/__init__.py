"""Verifiers of Luanti mods: the real engine, its own builtin under LuaJIT, and the recorder."""
