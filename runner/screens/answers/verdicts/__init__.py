"""Programs judged again, judged for the first time, graded or repaired, in lines."""
