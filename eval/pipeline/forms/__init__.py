"""The forms of answers that are not programs themselves: unified diffs, and calls of tools."""
