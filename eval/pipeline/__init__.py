"""One candidate's way, in order: prompt, completion, program, verdict, result."""
