{{ config(materialized='scratch', tags=['run']) }}
-- One row per usable focus slot and local day of the run that it touches, clipped to the day, on the
-- epoch-minute grid.
with slots as (

    select * from {{ ref('int_scheduling__focus_slots') }}
    where reason is null

),

run_days as (

    select * from {{ run_days('analytics_daily_metrics') }} as run_days

),

windows as (

    select
        local_days.timezone,
        local_days.date,
        local_days.starts_at,
        local_days.ends_at
    from {{ source('control', 'local_days') }} as local_days
    inner join run_days
        on local_days.date = run_days.date

),

reach as (

    select
        min(starts_at) - interval '31 days' as first_at,
        max(ends_at) as last_at
    from windows

),

-- A usable slot is at most 31 days long, so an index on its start finds those that can touch a window.
slots_in_reach as (

    select slots.*
    from slots
    where
        slots.starts_at >= (select reach.first_at from reach)
        and slots.starts_at < (select reach.last_at from reach)

),

clipped_to_days as (

    select
        slots.user_id,
        windows.date,
        {{ epoch_minute('greatest(slots.starts_at, windows.starts_at)') }} as starts_minute,
        {{ epoch_minute('least(slots.ends_at, windows.ends_at)') }} as ends_minute
    from slots_in_reach as slots
    {{ cross_join_local_dates('slots.starts_at', 'slots.ends_at') }}
    inner join windows
        on
            slots.timezone = windows.timezone
            and touched.date = windows.date
            and slots.starts_at < windows.ends_at
            and slots.ends_at > windows.starts_at
            and windows.starts_at < windows.ends_at

)

select * from clipped_to_days
