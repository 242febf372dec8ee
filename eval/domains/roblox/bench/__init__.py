"""RobloxBench: hand-written tasks with executable checks, one file a kind and family."""
