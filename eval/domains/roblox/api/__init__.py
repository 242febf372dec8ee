"""Facts of Roblox's API: which classes, members and enums exist, of which types."""
