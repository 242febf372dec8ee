"""Licences: what an expression is, what a text is, what a package says of its files."""
