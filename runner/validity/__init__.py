"""Whether stored results are still valid: fresh inputs, intact files, results that another run may reuse."""
