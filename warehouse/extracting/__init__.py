"""The parts of the extract; ``warehouse.extract`` puts them together.

Belongs here: what a source relation looks like and how it may change (``shapes``, ``drift``), how far it has been
read (``positions``), moving rows (``transport``), comparing two sides (``buckets``) and writing ``raw`` (``images``).
Does not belong here: which tables there are (``warehouse.catalog``), and anything about what rows mean.

The package knows neither the catalog nor Dagster: it takes ``declared.Declared`` tables and two connections.
"""
