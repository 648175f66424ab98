"""Rules of the contract, each inverted in the project's own SQL: a test that no inversion fails proves nothing."""
