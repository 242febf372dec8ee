"""The project's own training rows for Roblox: none of them is a benchmark task, nor shares a name with one."""
