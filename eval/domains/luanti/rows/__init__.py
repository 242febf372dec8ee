"""The project's own training rows: Luanti mods in the benchmark's families and kinds, none of them a benchmark task."""
