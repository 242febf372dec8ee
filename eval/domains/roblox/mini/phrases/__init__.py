"""How users request the generated Roblox tasks, by kind and split."""
