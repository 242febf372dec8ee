"""Training rows whose answers are plans: worlds of platforms are drawn, and a search finds the cheapest way through."""
