{{ config(materialized='scratch', tags=['run']) }}
-- One row per user with a day in analytics_daily_metrics: the length of the run of local days with a completed task
-- that ends with the user's last complete day. A date that the zone skipped neither breaks nor extends it.
with users as (

    select * from {{ ref('int_scheduling__users') }}

),

zones_now as (

    select * from {{ ref('int_scheduling__zones_now') }}

),

parameters as (

    select * from {{ source('control', 'current_run') }}

),

skipped_dates as (

    select
        timezone,
        date
    from {{ source('control', 'local_days') }}
    where starts_at = ends_at

),

days as (

    select * from {{ standing(
        'analytics_daily_metrics',
        ['user_id', 'date', 'completed_tasks_count'],
        '(select parameters.earliest_date - 1 from parameters)',
        '(select parameters.last_date + 1 from parameters)'
    ) }} as days

),

users_with_days as (

    select distinct user_id from days

),

skipped_in_zones as (

    select
        timezone,
        count(*) as dates_count
    from skipped_dates
    group by timezone

),

-- Backwards from the last complete day: as long as nothing is missing, the n-th day is n days back.
completed_days as (

    select
        users.user_id,
        users.timezone,
        days.date,
        zones_now.today,
        zones_now.today - days.date as days_back,
        row_number() over (partition by users.user_id order by days.date desc) as place
    from days
    inner join users
        on days.user_id = users.user_id
    inner join zones_now
        on
            users.timezone = zones_now.timezone
            and days.date < zones_now.today
    where days.completed_tasks_count > 0

),

days_within_reach as (

    select completed_days.*
    from completed_days
    left join skipped_in_zones
        on completed_days.timezone = skipped_in_zones.timezone
    where completed_days.days_back - completed_days.place <= coalesce(skipped_in_zones.dates_count, 0)

),

skipped_since as (

    select
        days_within_reach.user_id,
        days_within_reach.date,
        days_within_reach.days_back,
        days_within_reach.place,
        count(skipped_dates.date) as dates_count
    from days_within_reach
    left join skipped_dates
        on
            days_within_reach.timezone = skipped_dates.timezone
            and days_within_reach.date < skipped_dates.date
            and days_within_reach.today > skipped_dates.date
    group by
        days_within_reach.user_id,
        days_within_reach.date,
        days_within_reach.days_back,
        days_within_reach.place

),

unbroken as (

    select
        user_id,
        count(*) as days_count
    from skipped_since
    where days_back - dates_count = place
    group by user_id

),

streaks as (

    select
        users_with_days.user_id,
        coalesce(unbroken.days_count, 0) as streak_days_completed
    from users_with_days
    left join unbroken
        on users_with_days.user_id = unbroken.user_id

)

select * from streaks
