"""The embedded base model: how its tokenizer and its 2 million weights were made."""
