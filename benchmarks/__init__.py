"""Measurements, side by side in one run. Belongs here: what is quoted. Not here: assertions about time."""
