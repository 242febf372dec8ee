"""Public layouts of rows other than ours, each read as it is; what a row cannot be used for is said with its line."""
