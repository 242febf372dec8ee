"""What every model in this process's memory shares, whichever library computes it."""
