"""A language model's grades: held against execution on the training pool, given to the answers of a decided run."""

# Where a run keeps the judged quality of its answers.
QUALITY_FILE = "judge/quality.json"
