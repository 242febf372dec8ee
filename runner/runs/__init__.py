"""A run on disk: its folder, journal, state machine and configuration."""
