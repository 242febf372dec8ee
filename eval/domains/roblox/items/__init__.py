"""Items of other people's files, read as this domain understands them, and the files of an answer."""
