"""Programs and completions that were made elsewhere, judged as our own are."""
