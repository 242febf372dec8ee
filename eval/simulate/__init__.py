"""Experiments with a known true gain, decided by the real code: `python -m eval.simulate`, and `... plan`."""
