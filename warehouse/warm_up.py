"""Slow imports, made while the server works.

Belongs here: which libraries take seconds to import, and importing them in a thread. Does not belong here:
their use.
"""

import contextlib
import importlib
import os
import threading
from functools import cache

LIBRARIES = ("great_expectations",)
"""In the order of their use; one thread imports them in turn, so that no two imports wait for each other."""


@cache
def begin() -> None:
    """Begin to import in a thread; whoever needs a library sooner waits for it as for any other import."""
    threading.Thread(target=_import, name="import libraries", daemon=True).start()


def _import() -> None:
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    os.environ["DO_NOT_TRACK"] = "1"
    for name in LIBRARIES:
        with contextlib.suppress(ImportError):  # who needs it will say so
            importlib.import_module(name)
