"""The decision rule and everything that applies it to measured cells, as pure functions over records."""
