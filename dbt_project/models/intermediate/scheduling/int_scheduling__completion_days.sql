{{ config(materialized='scratch', tags=['run']) }}
-- One row per usable completion in a local day of the run.
with completions as (

    select * from {{ ref('int_scheduling__completions') }}
    where reason is null

),

windows as (

    select * from {{ ref('int_scheduling__run_windows') }}

),

completed_in_days as (

    select
        completions.task_id,
        completions.user_id,
        windows.date,
        completions.category_id
    from completions
    inner join windows
        on
            completions.timezone = windows.timezone
            and {{ utc_date('completions.completed_at') }} = windows.utc_date
            and completions.completed_at >= windows.starts_at
            and completions.completed_at < windows.ends_at
    where
        completions.completed_at >= (select min(windows.starts_at) from windows)
        and completions.completed_at < (select max(windows.ends_at) from windows)

)

select * from completed_in_days
