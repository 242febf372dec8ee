"""Self-correction: a model is asked again with its own answer and what executing it showed."""
