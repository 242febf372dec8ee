"""The commands about data: files of rows, tasks, curation."""
