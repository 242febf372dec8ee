"""Advancing a run: the loop over gates, the supervisor, the worker process."""
