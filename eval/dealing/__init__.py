"""Tasks dealt from kinds, wordings and drawn values: what every generated dataset shares, whatever its domain."""
