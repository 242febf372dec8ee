"""The pipeline of one candidate, in order: prompt, completion, program, verdict, result."""
