"""Files of rows: compressed or not, JSON lines, one JSON document or parquet, as numbered objects."""
