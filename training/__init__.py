"""Training examples, LoRA settings, checkpoints and the model backends. Never imports eval."""
