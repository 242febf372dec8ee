"""Gate A: can this machine and this data do the experiment?"""
