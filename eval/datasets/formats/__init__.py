"""The layouts of public rows: how each is told, read as a record, and made a row of a run."""
