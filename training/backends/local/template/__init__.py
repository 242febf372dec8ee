"""The chat template of a model: what it makes of a conversation, under which arguments, and at what time."""
