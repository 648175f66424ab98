"""Sensors: a refresh for partitions that are dirty though no run is working on them; alerts on their way out.

Belongs here: what happens because of what stands in the warehouse. Does not belong here: what makes a
partition dirty (``warehouse.plan``), what is sent, and the memory of it (``warehouse.alerts``).
"""

import datetime as dt
from collections.abc import Iterator

import dagster as dg

from assets import freshness
from assets.specs import REFRESH
from orchestration import settings
from orchestration.jobs import refresh_job
from warehouse import schema
from warehouse.alerts import Channel, LogChannel, WebhookChannel, send_pending
from warehouse.database import fetch_row, session

SECONDS = 60
FRESHNESS_SECONDS = 300


def dirty_partitions_sensor(*, on: bool) -> dg.SensorDefinition:
    """Asks for a refresh where an earlier run has left dirty partitions: it failed, was blocked or was killed.

    Once for each state of the late-data ledger: partitions that stay blocked do not start run after run.
    """

    @dg.sensor(
        name="dirty_partitions",
        job=refresh_job,
        minimum_interval_seconds=SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING if on else dg.DefaultSensorStatus.STOPPED,
        description="Runs the refresh for partitions that are dirty and that no run has settled.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        yield _request(context.instance)

    return sensor


def _request(instance: dg.DagsterInstance) -> dg.RunRequest | dg.SkipReason:
    going_on = dg.RunsFilter(
        job_name=REFRESH,
        statuses=[
            dg.DagsterRunStatus.QUEUED,
            dg.DagsterRunStatus.NOT_STARTED,
            dg.DagsterRunStatus.STARTING,
            dg.DagsterRunStatus.STARTED,
        ],
    )
    if instance.get_runs_count(going_on):
        return dg.SkipReason("a refresh is going on")
    places = settings.load().start()
    with session(places.warehouse_url, name="weir sensor", setting="WEIR_WAREHOUSE_URL") as warehouse:
        if not schema.is_current(warehouse):
            return dg.SkipReason("the warehouse is not set up yet; run: weir init")
        partitions, last = fetch_row(
            warehouse,
            "select count(distinct (mart, partition_start)), max(late_data_id) from control.late_data"
            " where state = 'pending'"
            " and (partition_start is null or partition_start <= (now() at time zone 'UTC')::date + 1)",
        )
    if not partitions:
        return dg.SkipReason("no partition is dirty")
    return dg.RunRequest(run_key=f"dirty-{last}", tags={"weir/dirty_partitions": str(partitions)})


@dg.sensor(
    name="send_kpi_alerts",
    minimum_interval_seconds=SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Hand published alerts of KPI goals to the log and to WEIR_ALERT_WEBHOOK_URL, each once.",
)
def send_kpi_alerts(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Start no run: alerts are in the marts already."""
    chosen = settings.load()
    channels: list[Channel] = [LogChannel(context.log.warning)]
    if chosen.alert_webhook_url:
        channels.append(WebhookChannel(chosen.alert_webhook_url))
    with session(chosen.start().warehouse_url, name="weir alerts", setting="WEIR_WAREHOUSE_URL") as warehouse:
        if not schema.is_current(warehouse):
            return dg.SkipReason("the warehouse is yet to be set up")
        sent, left = send_pending(warehouse, channels)
    return dg.SkipReason(f"{sent} alerts sent, {left} not" if sent or left else "no new alerts")


@dg.sensor(
    name="tell_freshness",
    minimum_interval_seconds=FRESHNESS_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Records how old the marts are, where that has changed: also when no run gets as far as a mart.",
)
def tell_freshness(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Start no run: the checks are recorded as they are."""
    with session(settings.load().start().warehouse_url, name="weir freshness", setting="WEIR_WAREHOUSE_URL") as found:
        if not schema.is_current(found):
            return dg.SensorResult(skip_reason="the warehouse is yet to be set up")
        verdicts = freshness.verdicts(found, dt.datetime.now(dt.UTC))
        (ended,) = fetch_row(found, "select max(finished_at)::text from control.runs")
    # Events where a verdict or an instant has changed, not every five minutes; and after each run, in which Dagster
    # shows these checks as skipped.
    states = (f"{each.application} {each.as_of} {each.fresh} {each.failing_since}" for each in verdicts)
    cursor = "; ".join([*states, f"after {ended}"])
    if cursor == context.cursor:
        return dg.SensorResult(skip_reason="nothing has changed")
    return dg.SensorResult(asset_events=list(freshness.evaluations(verdicts)), cursor=cursor)
