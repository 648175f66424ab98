{{ config(materialized='scratch', tags=['run']) }}
-- One row per usable completion in a local day of the run.
with completions as (

    select * from {{ ref('int_scheduling__completions') }}
    where reason is null

),

run_days as (

    select * from {{ run_days_of_application('scheduling') }} as run_days

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

completed_in_days as (

    select
        completions.task_id,
        completions.user_id,
        windows.date,
        completions.category_id
    from completions
    {{ cross_join_local_dates('completions.completed_at', 'completions.completed_at') }}
    inner join windows
        on
            completions.timezone = windows.timezone
            and touched.date = windows.date
            and completions.completed_at >= windows.starts_at
            and completions.completed_at < windows.ends_at
    where
        completions.completed_at >= (select min(windows.starts_at) from windows)
        and completions.completed_at < (select max(windows.ends_at) from windows)

)

select * from completed_in_days
