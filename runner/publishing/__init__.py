"""An adapter for others: its card with every measured number, in the formats that hubs read, and its upload."""
