"""Models of real architectures with small random weights, made on demand: right in layout, fast, and useless."""
