"""Self-correction of a run's answers, in a worker process as gates are."""
