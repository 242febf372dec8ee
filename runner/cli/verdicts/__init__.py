"""The commands that judge again, judge what was made elsewhere, or ask a language model to grade."""
