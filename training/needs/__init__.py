"""What a training run needs of the machine: memory, disk, whole weight files."""
