"""Facts about this machine, without opinions: hardware, GPUs, disks, programs, the torch build, the source tree."""
