"""Answers that act instead of being programs: calls of tools in a simulated Studio, and plans of an avatar's moves."""
