"""Tasks of the user's own with checks, from YAML or JSON lines, as the tasks of a run."""
