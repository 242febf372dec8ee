"""Whether stored results still hold: fresh inputs, intact files, results that another run may reuse."""
