"""Dagster assets and checks.

Belongs here: what assets are called, grouped and described, and a few lines each around ``warehouse``. Does
not belong here: anything that a mart's meaning depends on, I/O at import, jobs and schedules
(``orchestration``).
"""
