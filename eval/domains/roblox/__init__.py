"""Roblox as a domain: Luau programs, verified by running them in the real Luau VM against a model of the engine."""
