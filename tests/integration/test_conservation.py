"""dbt's data tests: every rule of every one notices a candidate that breaks it, and none a good one."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import Lab, make_database
from warehouse import demo
from warehouse.catalog import MARTS
from warehouse.database import Connection
from warehouse.server import EmbeddedServer
from warehouse.transform import PROJECT

DAILY, CATEGORY = "candidate.analytics_daily_metrics", "candidate.category_daily_metrics"
ANALYTICS, EXECUTIONS = "candidate.workflow_analytics", "candidate.workflow_executions"
KPI = "candidate.kpi_daily"
HOURS, STEPS = "candidate.workflow_analytics_hourly", "candidate.workflow_step_metrics"
ACTIONS, HISTOGRAM = "candidate.workflow_action_metrics", "candidate.duration_histogram"
MONTHLY, STATS = "candidate.analytics_monthly_metrics", "candidate.quick_stats"
SNAPSHOTS = "candidate.goal_progress_snapshots"

OF_DAILY, OF_CATEGORY = "assert_analytics_daily_metrics_add_up", "assert_category_daily_metrics_add_up"
OF_ANALYTICS, OF_EXECUTIONS = "assert_workflow_analytics_add_up", "assert_workflow_executions_are_consistent"
OF_KPI = "assert_kpi_daily_adds_up"
KPI_MONTHS, OF_KPI_MONTHS = "candidate.kpi_monthly", "assert_kpi_monthly_adds_up"
OF_HOURS = "assert_workflow_analytics_hourly_adds_up"
OF_ACTIONS, OF_HISTOGRAM = "assert_workflow_action_metrics_add_up", "assert_duration_histogram_adds_up"

GOALS, OF_GOALS = "candidate.kpi_goal_snapshots", "assert_kpi_goal_snapshots_add_up"
ANOMALIES, OF_ANOMALIES = "candidate.kpi_anomalies", "assert_kpi_anomalies_are_far_from_expected"
FORECASTS, OF_FORECASTS = "candidate.kpi_forecasts", "assert_kpi_forecasts_add_up"
ACCURACY, OF_ACCURACY = "candidate.kpi_forecast_accuracy", "assert_kpi_forecasts_beat_seasonal_naive"

UNDATED = {OF_FORECASTS, OF_ACCURACY}
"""Tests of marts that have no days to hold back."""
OF_MONTHLY = "assert_analytics_monthly_metrics_add_up"
OF_STATS, OF_SNAPSHOTS = "assert_quick_stats_add_up", "assert_goal_progress_snapshots_are_consistent"


@dataclass(frozen=True)
class Mutation:
    """A statement that spoils a candidate, most of them one row, and the rule by which a test must notice."""

    test: str
    rule: str
    statement: str


def change(table: str, changes: str, where: str = "true") -> str:
    return f"update {table} set {changes} where {one(table, where)}"


def drop(table: str, where: str = "true") -> str:
    return f"delete from {table} where {one(table, where)}"


def one(table: str, where: str) -> str:
    return f"ctid = (select min(ctid) from {table} where {where})"


PLANNED = "total_scheduled_minutes > 10"  # more than any number of tasks or minutes that is added below
SCHEDULED = "scheduled_minutes > 0"
COMPLETED = "completed_count > 0"
SEVERAL = "value_count > 1"
ENDED = "ended_at is not null"
TINY = "0.000000000001"  # the last of value_sum's decimals

FORMS_DIFFER = "the rows of category_daily_metrics add up to the same"
TOTALS_DIFFER = "the rows of a user and day add up to analytics_daily_metrics"
NO_MINUTE = "every scheduled task has a minute: scheduled_tasks_count <= "
PARTS = "completed_scheduled_tasks_count <= scheduled_tasks_count"
POSITIVE = "every value of category_minutes is positive"
RATE = "conversion_rate = cohort_converted_count / enrolled_count"
DURATIONS = "durations are null where nothing completed, and only there"
GROWTH = "active_count <= that of the day before + enrolled - completed - failed - exited"
NULL_DURATION = "duration_seconds is null where ended_at is null, and only there"
ORDER = "value_min <= value_last <= value_max"
CONSERVED = "entered = completed + failed + dropped + open"
ORDERED = "entered + skipped <= entered + skipped of the step before, or enrolled"
FROM_START = "conversion_from_start = entered / enrolled"
FROM_PREVIOUS = "conversion_from_previous = entered / (entered + skipped of the step before, or enrolled)"
TIMES = "times are null where nobody completed, and only there"
FIRST = "step_position = 1"
SUCCESS = "success_rate = succeeded / (succeeded + failed)"
BOUNDS = "bounds are those of the fixed table"
WITHIN = "the durations are within the bounds of their bucket"
COMPLETIONS = "there are as many as completed the step"
MEAN = "value_min <= value_sum / value_count <= value_max"

THREE = "a user has three windows of 7, 30 and 90 days"
TOP = "there is a top category where minutes are scheduled, and only there"
UTILIZATION = "focus_time_utilization = focus_minutes / focus_capacity_minutes"
FIRST_DATE = "(select min(partition_start) from control.run_partitions where mart = 'goal_progress_snapshots')"
LATER_DAILY_GOALS = (
    "goal_id in (select goal_id from intermediate.int_scheduling__goal_versions"
    f" where time_period = 'daily' and first_period_start > {FIRST_DATE})"
)

MUTATIONS: tuple[Mutation, ...] = (
    Mutation(OF_MONTHLY, "1 <= active_days <= 31", change(MONTHLY, "active_days = 32")),
    Mutation(
        OF_MONTHLY,
        "category_minutes sum to total_scheduled_minutes",
        change(MONTHLY, "total_scheduled_minutes = total_scheduled_minutes + 1"),
    ),
    Mutation(OF_MONTHLY, PARTS, change(MONTHLY, "completed_scheduled_tasks_count = scheduled_tasks_count + 1")),
    Mutation(
        OF_MONTHLY,
        "focus_minutes <= focus_capacity_minutes",
        change(MONTHLY, "focus_minutes = focus_capacity_minutes + 1"),
    ),
    Mutation(
        OF_MONTHLY,
        "focus_minutes <= total_scheduled_minutes",
        change(
            MONTHLY,
            "focus_minutes = total_scheduled_minutes + 1,"
            " focus_capacity_minutes = greatest(focus_capacity_minutes, total_scheduled_minutes + 1)",
        ),
    ),
    Mutation(OF_STATS, THREE, drop(STATS)),
    Mutation(OF_STATS, THREE, change(STATS, "window_days = 31", "window_days = 30")),
    Mutation(
        OF_STATS,
        "as_of_date and streak are the same in all windows",
        change(STATS, "as_of_date = as_of_date - 1", "window_days = 30"),
    ),
    Mutation(
        OF_STATS,
        "as_of_date and streak are the same in all windows",
        change(STATS, "streak_days_completed = streak_days_completed + 1", "window_days = 90"),
    ),
    Mutation(
        OF_STATS,
        "a longer window has no less than a shorter one",
        change(STATS, "scheduled_tasks_count = 1000000", "window_days = 7"),
    ),
    Mutation(OF_STATS, PARTS, change(STATS, "completed_scheduled_tasks_count = scheduled_tasks_count + 1")),
    Mutation(
        OF_STATS,
        "focus_minutes <= focus_capacity_minutes",
        change(STATS, "focus_minutes = focus_capacity_minutes + 1"),
    ),
    Mutation(
        OF_STATS,
        "focus_minutes <= total_scheduled_minutes",
        change(
            STATS,
            "focus_minutes = total_scheduled_minutes + 1,"
            " focus_capacity_minutes = greatest(focus_capacity_minutes, total_scheduled_minutes + 1)",
            "window_days = 90",
        ),
    ),
    Mutation(OF_STATS, UTILIZATION, change(STATS, "focus_time_utilization = null", "focus_capacity_minutes > 0")),
    Mutation(
        OF_STATS,
        UTILIZATION,
        change(STATS, "focus_time_utilization = focus_time_utilization + 0.0001", "focus_capacity_minutes > 0"),
    ),
    Mutation(OF_STATS, TOP, change(STATS, "top_category_id = null", "total_scheduled_minutes > 0")),
    Mutation(
        OF_STATS,
        "1 <= top_category_minutes <= total_scheduled_minutes",
        change(STATS, "top_category_minutes = total_scheduled_minutes + 1", "total_scheduled_minutes > 0"),
    ),
    Mutation(
        OF_STATS,
        "every day of the streak has a completed task",
        change(STATS, "completed_tasks_count = 0", "window_days = 7 and streak_days_completed > 0"),
    ),
    Mutation(
        OF_SNAPSHOTS,
        "neither the goal nor its user is deleted",
        change(SNAPSHOTS, "user_id = gen_random_uuid()"),
    ),
    Mutation(
        OF_SNAPSHOTS,
        "period_start begins a period of the goal",
        change(SNAPSHOTS, "period_start = period_start + 1", "period_end = period_start + 6"),
    ),
    Mutation(
        OF_SNAPSHOTS,
        "period_end ends the period that period_start begins",
        change(SNAPSHOTS, "period_end = period_end + 1"),
    ),
    Mutation(
        OF_SNAPSHOTS,
        "the period overlaps the dates of the goal",
        change(SNAPSHOTS, f"period_start = {FIRST_DATE}, period_end = {FIRST_DATE}", LATER_DAILY_GOALS),
    ),
    Mutation(OF_SNAPSHOTS, "status is one of five", change(SNAPSHOTS, "status = 'lost'")),
    Mutation(OF_SNAPSHOTS, "target_value is positive", change(SNAPSHOTS, "target_value = 0")),
    Mutation(
        OF_SNAPSHOTS,
        "percent_complete = 100 × achieved_value / target_value, at most 999.99",
        change(SNAPSHOTS, "percent_complete = percent_complete + 0.01", "percent_complete < 900"),
    ),
    Mutation(
        OF_SNAPSHOTS,
        "achieved where achieved_value >= target_value, and only there",
        change(SNAPSHOTS, "status = 'achieved'", "status = 'missed'"),
    ),
    Mutation(
        OF_SNAPSHOTS,
        "a period that has ended is achieved or missed",
        change(SNAPSHOTS, "status = 'behind'", "status = 'missed'"),
    ),
    Mutation(
        OF_SNAPSHOTS,
        "a period that is open is not missed yet",
        change(SNAPSHOTS, "status = 'missed'", "status in ('on_track', 'at_risk', 'behind')"),
    ),
    Mutation(
        OF_DAILY,
        "category_minutes sum to total_scheduled_minutes",
        change(DAILY, "total_scheduled_minutes = total_scheduled_minutes + 1", PLANNED),
    ),
    Mutation(
        OF_DAILY,
        POSITIVE,
        change(
            DAILY,
            """category_minutes = category_minutes || '{"x": -5}',"""
            " total_scheduled_minutes = total_scheduled_minutes - 5",
            f"{PLANNED} and focus_minutes = 0",
        ),
    ),
    Mutation(OF_DAILY, POSITIVE, change(DAILY, """category_minutes = category_minutes || '{"x": 0}'""", PLANNED)),
    Mutation(OF_DAILY, PARTS, change(DAILY, "completed_scheduled_tasks_count = scheduled_tasks_count + 1", PLANNED)),
    Mutation(
        OF_DAILY,
        NO_MINUTE + "total_scheduled_minutes",
        change(DAILY, "scheduled_tasks_count = total_scheduled_minutes + 1", PLANNED),
    ),
    Mutation(
        OF_DAILY,
        "scheduled minutes are those of tasks",
        change(DAILY, "scheduled_tasks_count = 0, completed_scheduled_tasks_count = 0", PLANNED),
    ),
    Mutation(
        OF_DAILY,
        "focus_minutes <= focus_capacity_minutes",
        change(DAILY, "focus_minutes = focus_capacity_minutes + 1", PLANNED),
    ),
    Mutation(
        OF_DAILY,
        "focus_minutes <= total_scheduled_minutes",
        change(
            DAILY,
            "focus_minutes = total_scheduled_minutes + 1, focus_capacity_minutes = total_scheduled_minutes + 1",
            PLANNED,
        ),
    ),
    Mutation(
        OF_DAILY,
        "focus_capacity_minutes <= minutes of the day",
        change(DAILY, "focus_capacity_minutes = 25 * 60 + 1", PLANNED),
    ),
    Mutation(
        OF_DAILY,
        "the user is not deleted and the day exists in the zone of the user",
        change(DAILY, "user_id = gen_random_uuid()", PLANNED),
    ),
    Mutation(
        OF_DAILY,
        "a measure is not zero",
        change(DAILY, "completed_tasks_count = 0", "total_scheduled_minutes = 0 and focus_capacity_minutes = 0"),
    ),
    Mutation(OF_DAILY, FORMS_DIFFER, drop(DAILY, "total_scheduled_minutes > 0")),
    Mutation(OF_DAILY, FORMS_DIFFER, drop(CATEGORY, SCHEDULED)),
    Mutation(OF_DAILY, FORMS_DIFFER, change(CATEGORY, "completed_tasks_count = completed_tasks_count + 1", SCHEDULED)),
    Mutation(
        OF_CATEGORY, PARTS, change(CATEGORY, "completed_scheduled_tasks_count = scheduled_tasks_count + 1", SCHEDULED)
    ),
    Mutation(
        OF_CATEGORY,
        NO_MINUTE + "scheduled_minutes",
        change(CATEGORY, "scheduled_tasks_count = scheduled_minutes + 1", SCHEDULED),
    ),
    Mutation(
        OF_CATEGORY,
        "scheduled minutes are those of tasks",
        change(CATEGORY, "scheduled_tasks_count = 0, completed_scheduled_tasks_count = 0", SCHEDULED),
    ),
    Mutation(
        OF_CATEGORY,
        "a measure is not zero",
        f"insert into {CATEGORY} (user_id, date, category_id, category_name, scheduled_minutes, completed_tasks_count,"
        " scheduled_tasks_count, completed_scheduled_tasks_count)"
        f" select user_id, date, gen_random_uuid(), 'x', 0, 0, 0, 0 from {CATEGORY} limit 1",
    ),
    Mutation(OF_CATEGORY, TOTALS_DIFFER, change(CATEGORY, "scheduled_minutes = scheduled_minutes + 1", SCHEDULED)),
    Mutation(OF_CATEGORY, TOTALS_DIFFER, drop(CATEGORY, SCHEDULED)),
    Mutation(OF_CATEGORY, TOTALS_DIFFER, drop(DAILY, "total_scheduled_minutes > 0")),
    Mutation(
        OF_ANALYTICS,
        "cohort_converted_count <= enrolled_count",
        change(ANALYTICS, "cohort_converted_count = enrolled_count + 1"),
    ),
    Mutation(OF_ANALYTICS, RATE, change(ANALYTICS, "conversion_rate = conversion_rate + 0.0001", "enrolled_count > 0")),
    Mutation(OF_ANALYTICS, RATE, change(ANALYTICS, "conversion_rate = 0", "enrolled_count = 0")),
    Mutation(OF_ANALYTICS, RATE, change(ANALYTICS, "conversion_rate = null", "enrolled_count > 0")),
    Mutation(OF_ANALYTICS, DURATIONS, change(ANALYTICS, "p95_duration_seconds = null", COMPLETED)),
    Mutation(OF_ANALYTICS, DURATIONS, change(ANALYTICS, "avg_duration_seconds = 0", "completed_count = 0")),
    Mutation(OF_ANALYTICS, "durations are not negative", change(ANALYTICS, "avg_duration_seconds = -1", COMPLETED)),
    Mutation(
        OF_ANALYTICS,
        "p50_duration_seconds <= p95_duration_seconds",
        change(ANALYTICS, "p50_duration_seconds = p95_duration_seconds + 1", COMPLETED),
    ),
    Mutation(
        OF_ANALYTICS,
        "a count is not zero",
        change(
            ANALYTICS,
            "enrolled_count = 0, completed_count = 0, failed_count = 0, exited_count = 0, goal_count = 0,"
            " active_count = 0, cohort_converted_count = 0, conversion_rate = null, avg_duration_seconds = null,"
            " p50_duration_seconds = null, p95_duration_seconds = null",
        ),
    ),
    Mutation(OF_ANALYTICS, GROWTH, change(ANALYTICS, "active_count = active_count + 1", "date > date '2026-03-20'")),
    Mutation(OF_ANALYTICS, GROWTH, drop(ANALYTICS, "date > date '2026-03-20' and active_count > 0")),
    Mutation(
        OF_EXECUTIONS,
        "enrolled_date is the UTC date of enrolled_at",
        change(EXECUTIONS, "enrolled_date = enrolled_date + 1"),
    ),
    Mutation(
        OF_EXECUTIONS,
        "ended_at >= enrolled_at",
        change(EXECUTIONS, "ended_at = enrolled_at - interval '1 second'", ENDED),
    ),
    Mutation(OF_EXECUTIONS, NULL_DURATION, change(EXECUTIONS, "duration_seconds = null", ENDED)),
    Mutation(OF_EXECUTIONS, NULL_DURATION, change(EXECUTIONS, "duration_seconds = 3", "ended_at is null")),
    Mutation(
        OF_EXECUTIONS,
        "duration_seconds = ended_at - enrolled_at",
        change(EXECUTIONS, "duration_seconds = duration_seconds + 1e-6", ENDED),
    ),
    Mutation(
        OF_EXECUTIONS,
        "what converts has reached its goal or is completed",
        change(EXECUTIONS, "is_converted = true", "goal_reached_at is null and status = 'failed'"),
    ),
    Mutation(OF_KPI_MONTHS, "value_count >= 1", change(KPI_MONTHS, "value_count = 0")),
    Mutation(OF_KPI_MONTHS, ORDER, change(KPI_MONTHS, "value_last = value_max + 1")),
    Mutation(OF_KPI_MONTHS, MEAN, change(KPI_MONTHS, f"value_sum = value_count * value_max::text::numeric + {TINY}")),
    Mutation(
        OF_KPI_MONTHS,
        "value_avg = value_sum / value_count, to 6 decimals",
        change(KPI_MONTHS, "value_avg = value_avg + 0.000001"),
    ),
    Mutation(OF_KPI, "value_count >= 1", change(KPI, "value_count = 0")),
    Mutation(OF_KPI, ORDER, change(KPI, "value_last = value_max + 1")),
    Mutation(OF_KPI, ORDER, change(KPI, "value_min = value_last + 1")),
    Mutation(OF_KPI, "values are below 1e20, either sign", change(KPI, "value_max = 'Infinity'")),
    Mutation(OF_KPI, MEAN, change(KPI, f"value_sum = value_count * value_max::text::numeric + {TINY}", SEVERAL)),
    Mutation(OF_KPI, MEAN, change(KPI, f"value_sum = value_count * value_min::text::numeric - {TINY}", SEVERAL)),
    Mutation(
        OF_KPI,
        "value_avg = value_sum / value_count, to 6 decimals",
        change(KPI, "value_avg = value_avg + 0.000001", SEVERAL),
    ),
    Mutation(
        OF_GOALS,
        "the date is a day of the goal",
        change(
            GOALS,
            "date = '2026-04-01'",
            "goal_id in (select goal_id from candidate.dim_kpi_goal where start_date > '2026-04-01')",
        ),
    ),
    Mutation(
        OF_GOALS,
        "progress_percentage = 100 × current_value / target_value",
        change(GOALS, "progress_percentage = progress_percentage + 0.02", "current_value > 0"),
    ),
    Mutation(
        OF_GOALS,
        "expected_percentage = 100 × days so far / days of the goal",
        change(GOALS, "expected_percentage = expected_percentage + 0.02"),
    ),
    Mutation(
        OF_GOALS,
        "on_track: current_value / target_value >= days so far / days of the goal",
        change(GOALS, "on_track = not on_track"),
    ),
    Mutation(
        OF_GOALS,
        "daily_required is null on the last day, and only there",
        change(GOALS, "daily_required = null", "daily_required is not null"),
    ),
    Mutation(OF_GOALS, "daily_required >= 0", change(GOALS, "daily_required = -1", "daily_required is not null")),
    Mutation(
        OF_GOALS,
        "what is left is required",
        change(GOALS, "daily_required = 0", "daily_required is not null and status = 'active'"),
    ),
    Mutation(
        OF_GOALS,
        "forecast_value is null on the first day, and only there",
        change(GOALS, "forecast_value = null", "forecast_lower is not null"),
    ),
    Mutation(
        OF_GOALS,
        "the interval is null below three days, and only there",
        change(GOALS, "forecast_upper = null", "forecast_upper is not null"),
    ),
    Mutation(
        OF_GOALS,
        "forecast_lower <= forecast_value <= forecast_upper",
        change(GOALS, "forecast_lower = forecast_value + 1", "forecast_lower is not null"),
    ),
    Mutation(
        OF_GOALS,
        "status is active, achieved, failed or cancelled",
        change(GOALS, "status = 'active'", "status = 'cancelled'"),
    ),
    Mutation(OF_GOALS, "a goal fails on its last day only", change(GOALS, "status = 'failed'", "status = 'active'")),
    Mutation(
        OF_GOALS,
        "a goal that is reached or over is not active",
        change(GOALS, "status = 'active'", "status = 'failed'"),
    ),
    Mutation(
        OF_GOALS,
        "a goal not achieved is projected to be after the date",
        change(GOALS, "projected_completion_date = date", "status = 'active'"),
    ),
    Mutation(
        OF_GOALS,
        "an alert has reached its threshold",
        change(GOALS, "alert = true", "status = 'active' and progress_percentage < 1"),
    ),
    Mutation(
        OF_GOALS,
        "a goal alerts once",
        change(
            GOALS,
            "alert = true",
            "not alert and goal_id in (select goal_id from candidate.kpi_goal_snapshots as alerted where alerted.alert"
            " and alerted.date < kpi_goal_snapshots.date)",
        ),
    ),
    Mutation(OF_ANOMALIES, "z_score has the sign of value - expected", change(ANOMALIES, "z_score = -z_score")),
    Mutation(OF_ANOMALIES, "severity is warning or critical", change(ANOMALIES, "severity = 'normal'")),
    Mutation(OF_ANOMALIES, "what is near is no anomaly", change(ANOMALIES, "z_score = sign(z_score)")),
    Mutation(
        OF_FORECASTS,
        "a forecast and its interval are null where status is not ok, and only there",
        change(FORECASTS, "upper = null", "status = 'ok'"),
    ),
    Mutation(OF_FORECASTS, "a forecast names its model", change(FORECASTS, "model = null", "status = 'ok'")),
    Mutation(
        OF_FORECASTS, "lower <= forecast <= upper", change(FORECASTS, "forecast = upper * 2 + 1", "status = 'ok'")
    ),
    Mutation(
        OF_FORECASTS,
        "the interval of a higher level holds that of a lower one",
        change(FORECASTS, "upper = forecast", "status = 'ok' and confidence_level = 0.99 and upper > forecast"),
    ),
    Mutation(OF_FORECASTS, "trend is increasing, decreasing or stable", change(FORECASTS, "trend = 'up'")),
    Mutation(OF_FORECASTS, "strengths are between 0 and 1", change(FORECASTS, "trend_strength = 1.1")),
    Mutation(OF_FORECASTS, "what is forecast is not long past", change(FORECASTS, "target_period = as_of_date - 400")),
    Mutation(
        OF_ACCURACY,
        "the model chosen for a series has less than three times the error of seasonal naive",
        change(ACCURACY, "mase = 1e9", "is_chosen and model <> 'seasonal_naive'"),
    ),
    Mutation(
        OF_ACCURACY,
        "the chosen models of a granularity are not worse than seasonal naive",
        f"update {ACCURACY} set mase = case when is_chosen then 2 else 1 end",  # of one series, it would be chance
    ),
)

MUTATIONS += (
    Mutation(
        OF_HOURS,
        "hour is the start of an hour",
        change(HOURS, "hour = hour + interval '1 minute'", "extract(hour from hour) = 12"),
    ),
    Mutation(
        OF_HOURS,
        "a count is not zero",
        change(HOURS, "enrolled_count = 0, completed_count = 0, failed_count = 0, exited_count = 0, goal_count = 0"),
    ),
    *(
        Mutation(OF_HOURS, "the hours of a day add up to workflow_analytics", change(HOURS, f"{count} = {count} + 1"))
        for count in ("enrolled_count", "completed_count", "failed_count", "exited_count", "goal_count")
    ),
    Mutation(OF_HOURS, "the hours of a day add up to workflow_analytics", drop(HOURS)),
    *(
        mutation
        for period in ("week", "month")
        for test, mart in [(f"assert_workflow_analytics_{period}ly_adds_up", f"{ANALYTICS}_{period}ly")]
        for mutation in (
            Mutation(
                test,
                "cohort_converted_count <= enrolled_count",
                change(mart, "cohort_converted_count = enrolled_count + 1"),
            ),
            Mutation(test, RATE, change(mart, "conversion_rate = conversion_rate + 0.0001", "enrolled_count > 0")),
            Mutation(test, "unique_contacts <= enrolled_count", change(mart, "unique_contacts = enrolled_count + 1")),
            Mutation(test, "who is enrolled is a contact", change(mart, "unique_contacts = 0", "enrolled_count > 0")),
            Mutation(test, DURATIONS, change(mart, "p95_duration_seconds = null", COMPLETED)),
            Mutation(test, DURATIONS, change(mart, "avg_duration_seconds = 0", "completed_count = 0")),
            Mutation(test, "durations are not negative", change(mart, "avg_duration_seconds = -1", COMPLETED)),
            Mutation(
                test,
                "p50_duration_seconds <= p95_duration_seconds",
                change(mart, "p50_duration_seconds = p95_duration_seconds + 1", COMPLETED),
            ),
        )
    ),
    *(
        mutation
        for suffix in ("", "_weekly", "_monthly")
        for test, mart in [(f"assert_workflow_step_metrics{suffix}_add_up", f"{STEPS}{suffix}")]
        for mutation in (
            *(
                (
                    Mutation(
                        test,
                        "unique_contacts <= entered_count",
                        change(mart, "unique_contacts = entered_count + 1"),
                    ),
                    Mutation(test, "who enters is a contact", change(mart, "unique_contacts = 0", "entered_count > 0")),
                )
                if suffix
                else ()
            ),
            *(
                Mutation(test, CONSERVED, change(mart, f"{count} = {count} + 1", "entered_count > 0"))
                for count in ("entered_count", "completed_count", "failed_count", "dropped_count", "open_count")
            ),
            Mutation(test, ORDERED, change(mart, "skipped_count = skipped_count + enrolled_count + 1", FIRST)),
            Mutation(
                test,
                "somebody is enrolled",
                change(mart, "enrolled_count = 0", "entered_count = 0 and skipped_count = 0 and not " + FIRST),
            ),
            Mutation(test, "nothing is open in a mature cohort", change(mart, "is_mature = true", "open_count > 0")),
            Mutation(test, FROM_START, change(mart, "conversion_from_start = conversion_from_start + 0.0001")),
            Mutation(test, FROM_START, change(mart, "conversion_from_start = null")),
            Mutation(
                test, FROM_PREVIOUS, change(mart, "conversion_from_previous = conversion_from_previous + 0.0001", FIRST)
            ),
            Mutation(test, FROM_PREVIOUS, change(mart, "conversion_from_previous = null", FIRST)),
            Mutation(test, TIMES, change(mart, "p50_seconds_in_step = null", COMPLETED)),
            Mutation(test, TIMES, change(mart, "p95_seconds_in_step = 1", "completed_count = 0")),
            Mutation(test, "times are not negative", change(mart, "avg_seconds_in_step = -1", COMPLETED)),
            Mutation(
                test,
                "p50_seconds_in_step <= p95_seconds_in_step",
                change(mart, "p50_seconds_in_step = p95_seconds_in_step + 1", COMPLETED),
            ),
        )
    ),
    Mutation(
        OF_ACTIONS,
        "a count is not zero",
        change(
            ACTIONS,
            "attempted_count = 0, succeeded_count = 0, failed_count = 0, delivered_count = 0, opened_count = 0,"
            " clicked_count = 0, success_rate = null, avg_duration_ms = null, p50_duration_ms = null,"
            " p95_duration_ms = null",
        ),
    ),
    Mutation(OF_ACTIONS, SUCCESS, change(ACTIONS, "success_rate = success_rate - 0.0001", "succeeded_count > 0")),
    Mutation(OF_ACTIONS, SUCCESS, change(ACTIONS, "success_rate = 1", "succeeded_count + failed_count = 0")),
    Mutation(
        OF_ACTIONS,
        "durations are those of actions that succeeded or failed",
        change(
            ACTIONS,
            "avg_duration_ms = 1, p50_duration_ms = 1, p95_duration_ms = 1",
            "succeeded_count + failed_count = 0",
        ),
    ),
    Mutation(
        OF_ACTIONS,
        "durations are null together",
        change(ACTIONS, "p95_duration_ms = null", "avg_duration_ms is not null"),
    ),
    Mutation(
        OF_ACTIONS,
        "p50_duration_ms <= p95_duration_ms",
        change(ACTIONS, "p50_duration_ms = p95_duration_ms + 1", "avg_duration_ms is not null"),
    ),
    Mutation(OF_HISTOGRAM, "count >= 1", change(HISTOGRAM, "count = 0")),
    Mutation(OF_HISTOGRAM, BOUNDS, change(HISTOGRAM, "bucket = 1000000")),
    Mutation(OF_HISTOGRAM, BOUNDS, change(HISTOGRAM, "bucket_upper_seconds = bucket_upper_seconds + 1")),
    Mutation(OF_HISTOGRAM, WITHIN, change(HISTOGRAM, "total_microseconds = total_microseconds * 2", "bucket > 0")),
    Mutation(OF_HISTOGRAM, WITHIN, change(HISTOGRAM, "total_microseconds = 0", "bucket > 0")),
    Mutation(
        OF_HISTOGRAM,
        "the bounds are within 1 % of the representative",
        change(HISTOGRAM, "representative_seconds = bucket_upper_seconds", "bucket > 100"),
    ),
    Mutation(OF_HISTOGRAM, COMPLETIONS, drop(HISTOGRAM, "step_id <> '00000000-0000-0000-0000-000000000000'")),
    Mutation(OF_HISTOGRAM, COMPLETIONS, change(STEPS, "completed_count = completed_count + 1")),
)


def files() -> list[Path]:
    return sorted((PROJECT / "tests").glob("**/*.sql"))


RULE = re.compile(r"\bthen\s+'([^']+)'|'([^']+)'\s+as\s+violation\b")


@dataclass(frozen=True)
class Candidate:
    """A candidate that a run built, and the statements that find what is wrong with it, per test."""

    warehouse: Connection
    tests: dict[str, str]

    def rules(self) -> set[tuple[str, str]]:
        """Every test's rules, as its statement writes them."""
        return {
            (test, case or literal)
            for test, statement in self.tests.items()
            for case, literal in RULE.findall(statement)
        }

    def violations(self, test: str) -> set[str]:
        """Rules that the candidate breaks; each must name the day that it holds back, if its mart has days."""
        found = self.warehouse.execute(
            f"select violation, bool_and(partition_start is not null) from ({self.tests[test]}) as failing group by 1"
        ).fetchall()
        assert test in {*UNDATED, OF_STATS} or all(dated for _, dated in found)
        return {str(violation) for violation, _ in found}


@pytest.fixture(scope="module")
def candidate(server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Candidate]:
    """The demo's, built once: mutations are rolled back."""
    make_database(server, "source", "template_source")
    make_database(server, "warehouse", "template_warehouse")
    lab = Lab(server, Path(tmp_path_factory.getbasetemp()) / "lab")
    try:
        demo.fill(lab.source, demo.SMALLEST_SCALE)
        refresh = lab.run(demo.AS_OF, gate_open=True)
        assert {outcome.status for outcome in refresh.outcomes.values()} == {"published"}
        names = {path.stem for path in files()}
        candidates = [mart.name for mart in MARTS]
        results = [each for each in refresh.transformer.test(lab.warehouse, candidates) if each.name in names]
        assert {result.name: result.status for result in results} == dict.fromkeys(names, "pass")
        yield Candidate(lab.warehouse, {result.name: result.compiled for result in results})
    finally:
        lab.close()


@pytest.mark.parametrize(
    "mutation", MUTATIONS, ids=[f"{number:02}-{mutation.test}" for number, mutation in enumerate(MUTATIONS)]
)
def test_a_rule_notices_what_breaks_it(candidate: Candidate, mutation: Mutation) -> None:
    with candidate.warehouse.transaction(force_rollback=True):
        assert candidate.warehouse.execute(mutation.statement).rowcount > 0
        found = candidate.violations(mutation.test)
    assert mutation.rule in found
    assert {(mutation.test, rule) for rule in found} <= candidate.rules()


def test_a_good_candidate_breaks_no_rule(candidate: Candidate) -> None:
    broken = {test: found for test in candidate.tests if (found := candidate.violations(test))}
    assert broken == {}


def test_every_rule_has_a_mutation(candidate: Candidate) -> None:
    assert {(mutation.test, mutation.rule) for mutation in MUTATIONS} == candidate.rules()
    assert {test for test, _ in candidate.rules()} == {path.stem for path in files()}
