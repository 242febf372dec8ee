"""The wordings of ``luanti_mini``'s instructions, one file a kind of task."""
