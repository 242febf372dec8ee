"""Child processes that run untrusted Lua under limits, and the pool that feeds them."""
