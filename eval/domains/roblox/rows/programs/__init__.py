"""Seed programs in Luau: what they are asked for as, how they break, and what works but could be better."""
