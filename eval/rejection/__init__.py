"""Rejection sampling: which of a model's own answers to training tasks become training rows."""
