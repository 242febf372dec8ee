"""Our verifiers and runs at the service of editors and agents."""
