"""Datasets by name or by file: the benches, the seed rows, public row formats, task files, splits."""
