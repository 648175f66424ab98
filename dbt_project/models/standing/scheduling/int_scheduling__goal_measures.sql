{{ config(materialized='scratch', tags=['run']) }}
-- One row per user, category that a goal of theirs counts (nil: all), time period and first day of a period of the
-- run with daily metrics: what counts towards goals, through the user's local date as of the run.
with versions as (

    select * from {{ ref('int_scheduling__goal_versions') }}

),

zones_now as (

    select * from {{ ref('int_scheduling__zones_now') }}

),

run_dates as (

    select * from {{ run_days('goal_progress_snapshots') }} as run_dates

),

days as (

    select * from {{ standing(
        'analytics_daily_metrics',
        ['user_id', 'date', 'total_scheduled_minutes', 'completed_tasks_count', 'focus_minutes'],
        '(select min(run_dates.date) from run_dates)',
        '(select max(run_dates.date) + 31 from run_dates)'
    ) }} as days

),

category_days as (

    select * from {{ standing(
        'category_daily_metrics',
        ['user_id', 'date', 'category_id', 'scheduled_minutes', 'completed_tasks_count'],
        '(select min(run_dates.date) from run_dates)',
        '(select max(run_dates.date) + 31 from run_dates)'
    ) }} as category_days

),

counted as (

    select distinct
        versions.user_id,
        versions.category_id,
        versions.time_period,
        zones_now.today
    from versions
    inner join zones_now
        on versions.timezone = zones_now.timezone

),

-- Shares need the minutes of all categories.
counted_in_all as (

    select distinct
        user_id,
        time_period,
        today
    from counted

),

days_of_periods as (

    select
        days.user_id,
        {{ nil_uuid() }} as category_id,
        counted_in_all.time_period,
        {{ period_start('counted_in_all.time_period', 'days.date') }} as period_start,
        days.total_scheduled_minutes as scheduled_minutes,
        days.completed_tasks_count,
        days.focus_minutes
    from days
    inner join counted_in_all
        on
            days.user_id = counted_in_all.user_id
            and days.date <= counted_in_all.today
    union all
    select
        category_days.user_id,
        category_days.category_id,
        counted.time_period,
        {{ period_start('counted.time_period', 'category_days.date') }} as period_start,
        category_days.scheduled_minutes,
        category_days.completed_tasks_count,
        0 as focus_minutes
    from category_days
    inner join counted
        on
            category_days.user_id = counted.user_id
            and category_days.category_id = counted.category_id
            and category_days.date <= counted.today
    where category_days.category_id <> {{ nil_uuid() }}

),

summed as (

    select
        user_id,
        category_id,
        time_period,
        period_start,
        sum(scheduled_minutes) as scheduled_minutes,
        sum(completed_tasks_count) as completed_tasks_count,
        sum(focus_minutes) as focus_minutes,
        count(*) as days_count
    from days_of_periods
    where period_start in (select run_dates.date from run_dates)
    group by user_id, category_id, time_period, period_start

),

-- Beside each category, the minutes of all: by a window, since a join of the sums with themselves is far larger
-- than the planner can know.
beside_all as (

    select
        *,
        max(case when category_id = {{ nil_uuid() }} then scheduled_minutes end)
            over (partition by user_id, time_period, period_start) as scheduled_minutes_of_all
    from summed

),

measures as (

    select
        user_id,
        category_id,
        time_period,
        period_start,
        scheduled_minutes,
        completed_tasks_count,
        focus_minutes,
        scheduled_minutes_of_all,
        days_count
    from beside_all
    where scheduled_minutes_of_all is not null

)

select * from measures
