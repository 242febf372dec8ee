"""Seed programs: hand-written, with slots and checks, from which a domain deals its training rows."""
