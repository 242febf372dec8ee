"""What programs are for: one folder a domain, each with its verifiers, benchmark, rows and generated tasks."""
