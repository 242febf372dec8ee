"""Models of real architectures with small random weights, generated on demand: right layout, fast, useless content."""
