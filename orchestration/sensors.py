"""Sensors: one, that lets alerts of KPI goals leave Weir. Belongs here: when something is looked at, and by whom.

Does not belong here: what is sent, and the memory of it (``warehouse.alerts``).
"""

import dagster as dg

from orchestration import settings
from warehouse import schema
from warehouse.alerts import Channel, LogChannel, WebhookChannel, send_pending
from warehouse.database import session

SECONDS = 60


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
