"""Tasks, prompts, sampling, verification by execution, and the statistics. Never imports torch or training."""
