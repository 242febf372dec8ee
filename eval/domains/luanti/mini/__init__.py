"""The generated Luanti tasks ``luanti_mini``: families scaffold, repair and doc, by kind."""
