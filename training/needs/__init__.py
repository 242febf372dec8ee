"""What a training run needs from the machine: memory, disk, complete weight files."""
