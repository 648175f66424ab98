"""Errors that Weir raises on purpose, each with the exit code the command line ends with.

Belongs here: the classes. Not here: their messages (written where they are raised) and their printing.
A message is one line that says what is wrong and what to do.
"""


class WeirError(Exception):
    """Anything Weir stops for on purpose; exit code 1 unless a subclass says otherwise."""

    exit_code = 1


class ConfigurationError(WeirError):
    """A setting, a command line, a home or a server that cannot be used as it is."""

    exit_code = 2


class BlockedError(WeirError):
    """A check stopped the publication; the message names what was blocked."""

    exit_code = 3


class VerificationError(WeirError):
    """What is published differs from what the ledger and raw say it should be."""

    exit_code = 4
