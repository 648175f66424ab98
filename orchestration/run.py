"""Running the refresh job in this process, as the command line does.

Belongs here: from a ``Refresh`` to a finished Dagster run. Does not belong here: printing and exit codes.
"""

import warnings

from warehouse.catalog import CALENDAR
from warehouse.errors import WeirError
from warehouse.refresh import Refresh
from warehouse.server import EmbeddedServer


def run_in_process(refresh: Refresh, server: EmbeddedServer | None) -> bool:
    """Execute the refresh job on the calling process; what it did is in ``refresh.outcomes``.

    Returns:
        Whether every step succeeded.
    """
    refresh.run_ahead()
    # Importing Dagster is most of a run that has nothing to do.
    with refresh.stage("start"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import dagster as dg

        from assets.refresh import RESOURCE
        from assets.specs import REFRESH
        from orchestration.dagster_home import open_instance, report_dead
        from orchestration.definitions import build_defs

        definitions = build_defs(resources={RESOURCE: dg.ResourceDefinition.hardcoded_resource(refresh)})
        job = definitions.resolve_job_def(REFRESH)
    areas = {*refresh.applications, CALENDAR}
    keys = [key for key in job.asset_layer.executable_asset_keys if key.path[1] in areas]
    with open_instance(refresh.places.home, server) as instance:
        report_dead(instance, refresh.found_dead)
        result = job.execute_in_process(
            instance=instance,
            run_id=refresh.parameters.run_id,
            asset_selection=keys,
            raise_on_error=False,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            tags={"weir/as_of": refresh.parameters.as_of.isoformat()},
        )
    if not result.success and not any(outcome.error for outcome in refresh.outcomes.values()):
        failures = [event for event in result.all_events if event.is_failure]
        reason = " ".join(str(failures[0].event_specific_data).split())[:1000] if failures else "no step says why"
        raise WeirError(f"Dagster could not finish the run: {reason}")
    return result.success
