"""Gate C: train the adapter, with checkpoints that resume exactly."""
