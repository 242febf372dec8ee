"""The report's sections, one module each, as data for the page."""
