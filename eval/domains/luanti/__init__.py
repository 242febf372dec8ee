"""Luanti (Minetest) mods."""
