"""Dagster's own state: its folder in WEIR_HOME and its instance.

Belongs here: where Dagster keeps runs and events. Does not belong here: what is run.
"""

import os
from pathlib import Path

import dagster as dg

CONFIG = """\
# Written by Weir.
telemetry:
  enabled: false
"""


def open_instance(home: Path) -> dg.DagsterInstance:
    """The Dagster instance that the command line and the UI share."""
    folder = home / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "dagster.yaml"
    if not config.exists() or config.read_text(encoding="utf-8") != CONFIG:
        config.write_text(CONFIG, encoding="utf-8")
    os.environ["DAGSTER_HOME"] = str(folder)
    os.environ["DAGSTER_DISABLE_TELEMETRY"] = "1"
    return dg.DagsterInstance.get()
