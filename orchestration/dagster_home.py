"""Dagster's own state: its folder in WEIR_HOME, its instance, its storage in the embedded server.

Belongs here: where Dagster keeps runs and events. Does not belong here: what is run.
"""

import os
from pathlib import Path

import dagster as dg

from warehouse import access
from warehouse.database import session
from warehouse.server import EmbeddedServer

DATABASE = "dagster"
URL_VARIABLE = "DAGSTER_POSTGRES_URL"
"""Holds the storage's URL in the environment of this process and its children; the file names it only."""

CONFIGURATION = """\
# Written by Weir.
telemetry:
  enabled: false
nux:
  enabled: false
"""

ON_POSTGRES = f"""\
storage:
  postgres:
    postgres_url:
      env: {URL_VARIABLE}
"""


def prepare(home: Path, server: EmbeddedServer | None) -> Path:
    """Write Dagster's configuration and set its environment.

    Args:
        home: WEIR_HOME.
        server: the embedded server, running; None where nothing lives on it: Dagster then keeps SQLite files.

    Returns:
        Dagster's home.
    """
    folder = home / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "dagster.yaml"
    text = CONFIGURATION
    if server is not None:
        server.ensure_database(DATABASE)
        with session(server.url(DATABASE), name="weir") as storage:
            access.keep_out(storage, (DATABASE,))
        # An event written asynchronously costs a fifth; after a crash of the machine the ledger heals the last ones.
        # The driver is named because dagster-postgres works with psycopg2 only.
        url = server.url(DATABASE).replace("postgresql://", "postgresql+psycopg2://", 1)
        os.environ[URL_VARIABLE] = url + "?options=-csynchronous_commit%3Doff%20-cjit%3Doff"
        text += ON_POSTGRES
    if not config.exists() or config.read_text(encoding="utf-8") != text:
        config.write_text(text, encoding="utf-8")
    os.environ["DAGSTER_HOME"] = str(folder)
    os.environ["DAGSTER_DISABLE_TELEMETRY"] = "1"
    return folder


def open_instance(home: Path, server: EmbeddedServer | None) -> dg.DagsterInstance:
    """The Dagster instance that the command line and the UI share."""
    prepare(home, server)
    instance = dg.DagsterInstance.get()
    # Keeps connections open: a run writes hundreds of events, each of which would log in anew several times.
    instance.optimize_for_webserver(statement_timeout=60_000, pool_recycle=3600, max_overflow=4)
    return instance


def report_dead(instance: dg.DagsterInstance, run_ids: list[str]) -> None:
    """Have runs shown as failed that were killed: their lock was free, and they cannot say so any more."""
    for run_id in run_ids:
        run = instance.get_run_by_id(run_id)
        if run is not None and not run.is_finished:
            instance.report_run_failed(run, "The run ended without a word; the next one carries on.")
