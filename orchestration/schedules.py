"""Schedules: the refresh, every quarter of an hour. Belongs here: when jobs run by the clock."""

import dagster as dg

from orchestration.jobs import refresh_job

EVERY_QUARTER_OF_AN_HOUR = "*/15 * * * *"


def refresh_schedule(*, on: bool) -> dg.ScheduleDefinition:
    """The refresh of what is new, changed, deleted or late; without dates, so that it finds its own partitions."""

    @dg.schedule(
        name="refresh_schedule",
        job=refresh_job,
        cron_schedule=EVERY_QUARTER_OF_AN_HOUR,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING if on else dg.DefaultScheduleStatus.STOPPED,
        description="Extracts, builds, checks and publishes what is new or changed.",
    )
    def schedule() -> dg.RunRequest:
        return dg.RunRequest()

    return schedule
