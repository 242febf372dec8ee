"""What every model in our own memory shares, whichever library computes it."""
