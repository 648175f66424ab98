"""The metrics that four services report, and who reports them. Data only."""

from typing import NamedTuple


class Metric(NamedTuple):
    """One metric of one service: at scale 1 a series per segment.

    `level` is a typical value, `trend` its growth per day as a share, `noise` the standard deviation as a
    share; `week` and `day` name profiles below. A segment None is a metric without segments; its rows say
    null and '' in turns.
    """

    service: str
    type: str
    unit: str | None
    every_minutes: int
    level: float
    trend: float
    noise: float
    week: str
    day: str
    decimals: int
    segments: tuple[str | None, ...]


METRICS = (
    Metric("notifications", "delivery", "messages", 60, 420, 0.003, 0.12, "office", "waking", 0,
           ("email", "push", "sms", "webhook")),
    Metric("notifications", "engagement", "opens", 360, 900, 0.002, 0.15, "office", "flat", 0,
           ("email", "push")),
    Metric("notifications", "cost", "USD", 1440, 38.5, 0.002, 0.08, "flat", "flat", 4, (None,)),
    Metric("notifications", "delivery", "messages", 1440, 21_000, 0.003, 0.05, "office", "flat", 0, (None,)),
    Metric("social_media", "engagement", "", 180, 260, 0.004, 0.25, "leisure", "waking", 0,
           ("mastodon", "instagram", "linkedin")),
    Metric("social_media", "reach", "people", 360, 5_200, 0.005, 0.20, "leisure", "flat", 0,
           ("mastodon", "instagram", "linkedin")),
    Metric("social_media", "reach", "people", 1440, 61_000, 0.005, 0.07, "leisure", "flat", 0, (None,)),
    Metric("partners_crm", "donation", "EUR", 360, 145, 0.001, 0.45, "office", "flat", 2, (
        "Lindenhof", "Harbour Trust", "Casa Abierta", "Nordlicht",
        "Green Belt", "Open Kitchen", "Atlas", "Relais")),
    Metric("partners_crm", "donation", "USD", 1440, 610, 0.001, 0.40, "office", "flat", 2,
           ("Harbour Trust", "Bay Foundation", "Atlas", "Second Mile")),
    Metric("partners_crm", "revenue", "EUR", 1440, 2_350, 0.004, 0.18, "office", "flat", 2,
           ("Lindenhof", "Nordlicht", "Northwind", "Contoso", "Fabrikam", "Tailspin")),
    Metric("partners_crm", "revenue", "USD", 1440, 1_980, -0.002, 0.18, "office", "flat", 2,
           ("Northwind", "Contoso", "Wingtip")),
    Metric("partners_crm", "revenue", "EUR", 1440, 14_500, 0.004, 0.06, "office", "flat", 2, (None,)),
    Metric("projects", "activity", None, 360, 24, 0.002, 0.30, "office", "office", 0,
           ("Apollo", "Bridge", "Cedar", "Delta", "Ember", "Fjord", "Grove", "Haven")),
    Metric("projects", "cost", "EUR", 1440, 820, 0.001, 0.10, "office", "flat", 2,
           ("Apollo", "Bridge", "Cedar", "Delta", "Ember")),
    Metric("projects", "activity", "tasks", 1440, 310, 0.002, 0.09, "office", "flat", 0, (None,)),
    Metric("projects", "revenue", "EUR", 1440, 3_900, 0.000, 0.12, "flat", "flat", 2, (None,)),
)  # fmt: skip

WEEKS = {
    "flat": (1.0,) * 7,
    "office": (0.25, 1.1, 1.2, 1.2, 1.15, 1.0, 0.35),
    "leisure": (1.3, 0.85, 0.85, 0.9, 0.95, 1.1, 1.35),
}
"""Factors from Sunday on."""

DAYS = {
    "flat": (1.0,) * 24,
    "waking": (.3, .2, .15, .15, .2, .35, .6, .9, 1.2, 1.4, 1.45, 1.4,
               1.35, 1.3, 1.3, 1.35, 1.4, 1.5, 1.6, 1.65, 1.6, 1.3, .9, .5),
    "office": (.1, .1, .1, .1, .1, .2, .5, 1.0, 1.8, 2.2, 2.3, 2.1,
               1.6, 2.0, 2.2, 2.1, 1.9, 1.5, .9, .5, .3, .2, .1, .1),
}  # fmt: skip
"""Factors for the hours of a UTC day."""


class Incident(NamedTuple):
    """A stretch in which one metric is not itself: everything times `factor`; 0 means that nothing came."""

    metric: int
    first_day: int
    days: int
    factor: float


INCIDENTS = (
    Incident(0, 40, 2, 0.08),  # the mail provider was down
    Incident(0, 77, 1, 6.0),  # a loop sent everything six times
    Incident(4, 58, 1, 9.0),  # a post went round the world
    Incident(5, 58, 2, 5.0),
    Incident(7, 100, 4, 3.5),  # campaign
    Incident(9, 66, 3, 0.0),  # the export job was broken
    Incident(12, 90, 2, 0.0),
    Incident(2, 95, 1, 12.0),
    Incident(11, 112, 1, 0.05),
)


class Goal(NamedTuple):
    """A KPI goal; days count from the period's first."""

    name: str
    service: str | None
    type: str
    target: float
    unit: str | None
    first_day: int
    last_day: int
    status: str = "active"
    alert: float | None = None
    description: str | None = None


GOALS = (
    Goal("Donations, second quarter", "partners_crm", "donation", 450_000, "EUR", 31, 121, alert=80.0,
         description="All partners together, euros only"),
    Goal("Dollar donations in May", "partners_crm", "donation", 60_000, "USD", 61, 91, alert=50.0),
    Goal("Revenue in spring", "partners_crm", "revenue", 2_500_000, "EUR", 0, 91, status="achieved"),
    Goal("Revenue of the year", "partners_crm", "revenue", 9_000_000, "EUR", 0, 305, alert=25.0),
    Goal("Engagement everywhere", None, "engagement", 4_000_000, None, 0, 152, alert=90.0,
         description="Every service, every unit"),
    Goal("Reach of the launch week", "social_media", "reach", 900_000, "people", 56, 62),
    Goal("Messages delivered in June", "notifications", "delivery", 1_600_000, "messages", 92, 121,
         alert=100.0),
    Goal("One big day", "notifications", "delivery", 100_000, "messages", 77, 77, alert=100.0),
    Goal("Project activity", "projects", "activity", 30_000, "", 14, 120, status="failed"),
    Goal("Cost ceiling watch", None, "cost", 500_000, "EUR", 0, 121, alert=75.0),
    Goal("Cancelled campaign", "social_media", "engagement", 250_000, None, 20, 60, status="cancelled",
         alert=10.0),
    Goal("Autumn fundraising", "partners_crm", "donation", 300_000, "EUR", 184, 274, alert=50.0,
         description="Begins after the demo's now"),
    Goal("Partner satisfaction", "partners_crm", "satisfaction", 90, "%", 31, 121,
         description="Nobody reports this metric"),
    Goal("Ends next week", "projects", "activity", 45_000, "tasks", 60, 128, alert=60.0),
)  # fmt: skip


class Report(NamedTuple):
    """A request for a report."""

    name: str
    type: str
    format: str
    parameters: str
    cron: str | None
    recipients: str
    deleted: bool = False


REPORTS = (
    Report("Board KPIs", "monthly", "pdf",
           '{"mart": "kpi_monthly", "start_date": "2026-03-01", "end_date": "2026-06-30", "filters": {}}',
           "0 6 1 * *", "{board@example.org,office@example.org}"),
    Report("Team time report", "weekly", "excel",
           '{"mart": "analytics_daily_metrics", "start_date": "2026-06-22", "end_date": "2026-06-28"}',
           "0 7 * * 1", "{leads@example.org}"),
    Report("Funnel of the welcome series", "daily", "csv",
           '{"mart": "workflow_step_metrics", "start_date": "2026-06-30", "filters": {"step_position": 1}}',
           "30 5 * * *", "{growth@example.org}"),
    Report("Donations to date", "custom", "json",
           '{"mart": "kpi_daily", "start_date": "2026-03-01", "filters": {"metric_type": "donation"}}',
           None, "{}"),
    Report("Year in numbers", "annual", "pdf",
           '{"mart": "kpi_monthly", "start_date": "2026-01-01", "end_date": "2026-12-31"}',
           None, "{board@example.org}"),
    Report("Old sales report", "weekly", "csv", "{}", "0 8 * * 5", "{}", deleted=True),
)  # fmt: skip
