"""Carrying a run on: the loop over gates, the supervisor, the worker process."""
