"""Typed views of a run's files, for screens and reports."""
