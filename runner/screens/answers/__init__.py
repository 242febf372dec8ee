"""Screens of the commands that answer a question about a run."""
