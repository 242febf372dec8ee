"""What a Luanti instruction requires, read from its text and its reference, and the checks that follow."""
