"""Dagster's nouns, one file each, and the command line. Nothing here does I/O at import."""
