"""What gates B, D and E share: a loaded bench, the search over cells, stored results."""
