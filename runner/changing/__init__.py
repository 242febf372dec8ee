"""Changing a run's configuration and starting gates again."""
