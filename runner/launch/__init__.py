"""Where a run is started: this shell, tmux, an SSH connection."""
