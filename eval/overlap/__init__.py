"""Texts that say the same: n-grams, clusters, contamination."""
