"""Rounds of rejection sampling, phase by phase: pool, draws, scores, selection, training; each from its files."""
