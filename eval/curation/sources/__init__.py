"""Where rows come from: files of rows, code, documentation, packages."""
