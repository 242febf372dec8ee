"""luagate as it is installed here: version, environment, how its modules start, which files they open."""
