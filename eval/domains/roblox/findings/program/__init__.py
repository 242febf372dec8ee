"""What a Luau program says of itself: its syntax tree, its names, and the types of its expressions and handlers."""
