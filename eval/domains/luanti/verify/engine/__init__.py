"""The real engine as a verifier: one fresh headless server for every program."""
