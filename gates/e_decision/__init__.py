"""Gate E: the base against the chosen cell on the test tasks, once."""
