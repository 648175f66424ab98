"""Rules of the contract, each inverted in the project's own SQL: a test that no inversion fails proves nothing.

Belongs here: one module per application, its log, its rules and their inversions. Does not belong here: expected values
(``tests/reference``) and checks of the gate (``tests/integration/test_conservation.py``).
"""
