"""A small world of platforms and anchors, and an avatar that carries out a plan in it, step by step."""
