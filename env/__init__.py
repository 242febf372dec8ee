"""The machine: facts, checks, durable files, locks, heartbeat and logs. Imports nothing else of luagate."""
