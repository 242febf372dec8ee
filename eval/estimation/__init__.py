"""Estimators and intervals: pass@k, paired gains, cluster bootstrap, Student's t."""
