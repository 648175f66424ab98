"""How Weir is run: Dagster's nouns, one file each, settings and the command line.

Belongs here: definitions, resources, jobs, where Dagster keeps its state, arguments, printing, exit codes.
Does not belong here: assets (``assets``), the work itself (``warehouse``), I/O at import.
"""
