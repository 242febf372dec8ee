"""Files of rows, tasks and curations, in lines."""
