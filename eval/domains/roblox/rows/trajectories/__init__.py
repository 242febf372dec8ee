"""Training rows whose answers are calls of tools, each executed in the simulated Studio before it is one."""
