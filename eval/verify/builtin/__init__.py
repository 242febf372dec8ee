"""The engine's own Lua half as a verifier: its installed builtin over a model of its C half."""
