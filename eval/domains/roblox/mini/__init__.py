"""The generated Roblox tasks ``roblox_mini``: families coding, bugfix, typing and refactor, by kind."""
