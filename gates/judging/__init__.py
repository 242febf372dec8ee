"""A language model's grades: held against execution on the training pool, given to the answers of a decided run."""
