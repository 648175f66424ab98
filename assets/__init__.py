"""Dagster assets and checks: a few lines around ``warehouse``, and nothing a mart's meaning depends on."""
