"""Rules of the contract, each inverted in the project's own SQL: a test that no inversion fails proves nothing.

Belongs here: inversions, and that they are noticed. Does not belong here: the tests that notice.
"""
