"""The stages of a curation, one module each; the table of them is in eval/curation/__init__.py."""
