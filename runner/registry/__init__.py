"""Which adapter is the one to use: a ledger that only grows, exports named by content, the link ``latest``."""
