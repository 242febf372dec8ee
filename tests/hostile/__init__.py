"""Programs that attack the sandbox, each with the outcomes that are acceptable for it."""
