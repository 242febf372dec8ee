"""Self-correction of a run: which answers, asked again in which way, stored where, and what it gave."""
