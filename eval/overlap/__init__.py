"""Overlap between texts: n-grams, clusters, contamination."""
