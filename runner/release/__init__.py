"""What leaves a finished run: exported adapters and merged models."""
