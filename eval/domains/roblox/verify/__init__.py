"""The verifier: a pool of Luau VMs, each with a model of the engine around one program."""
