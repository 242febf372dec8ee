"""How the report page is written: templates, figures, packed samples."""
