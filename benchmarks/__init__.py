"""Measurements, side by side in one run.

Belongs here: what is quoted. Does not belong here: assertions about time.
"""
