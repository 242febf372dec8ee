"""What a Luanti instruction asks for, read from its text and its reference, and the checks that follow."""
