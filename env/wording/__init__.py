"""How numbers, times and lists are told to people: one wording everywhere."""
