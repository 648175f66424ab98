"""Resources: the run in progress, made from settings and run configuration.

Belongs here: opening and closing what assets use. Does not belong here: what they do with it.
"""

import datetime as dt
from collections.abc import Iterator

import dagster as dg

from orchestration import settings
from orchestration.connections import prepare
from orchestration.dagster_home import report_dead
from warehouse.catalog import APPLICATIONS
from warehouse.database import Connection, session
from warehouse.plan import Parameters
from warehouse.refresh import Refresh


@dg.resource(
    config_schema={
        "as_of": dg.Field(str, is_required=False, description="ISO 8601 instant; default: now."),
        "from_date": dg.Field(str, is_required=False, description="Rebuild days from this date (inclusive)."),
        "to_date": dg.Field(str, is_required=False, description="Rebuild days through this date (inclusive)."),
        "force_deletes": dg.Field(
            [str], default_value=[], description="Source tables that may lose any number of rows, or all."
        ),
        "rewind": dg.Field(bool, default_value=False, description="Allow an as-of before the last publication."),
    }
)
def refresh(context: dg.InitResourceContext) -> Iterator[Refresh]:
    """A run that holds the warehouse's lock until it ends."""
    config = context.resource_config
    chosen = settings.load()
    places = chosen.start()
    prepare(chosen)
    parameters = Parameters(
        run_id=context.run.run_id if context.run else "",
        as_of=dt.datetime.fromisoformat(config["as_of"]) if "as_of" in config else dt.datetime.now(dt.UTC),
        earliest_date=chosen.earliest_date,
        from_date=dt.date.fromisoformat(config["from_date"]) if "from_date" in config else None,
        to_date=dt.date.fromisoformat(config["to_date"]) if "to_date" in config else None,
        rewind=config["rewind"],
        additive=chosen.additive,
    )
    with Refresh(
        places,
        parameters,
        APPLICATIONS,
        chosen.max_quarantine_share,
        say=context.log.info if context.log else print,
        force_deletes=config["force_deletes"],
    ) as run:
        if context.instance:
            report_dead(context.instance, run.found_dead)
        yield run


@dg.resource
def warehouse(context: dg.InitResourceContext) -> Iterator[Connection]:
    """A connection for looking, outside of runs of the refresh."""
    chosen = settings.load()
    places = chosen.start()
    prepare(chosen)
    with session(places.warehouse_url, name="weir", setting="WEIR_WAREHOUSE_URL") as connection:
        yield connection
