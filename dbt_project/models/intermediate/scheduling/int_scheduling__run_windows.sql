{{ config(materialized='scratch', tags=['run']) }}
-- One row per zone, local day of the run and UTC date that its window touches: windows cut at UTC midnights. What
-- falls into them is then found by its UTC date, with an equality join that is hashed. Skipped dates have none.
with local_days as (

    select * from {{ source('control', 'local_days') }}

),

run_days as (

    select date from {{ run_days('analytics_daily_metrics') }} as days
    union
    select date from {{ run_days('category_daily_metrics') }} as days

),

windows as (

    select
        local_days.timezone,
        local_days.date,
        days.date as utc_date,
        greatest(local_days.starts_at, {{ utc_midnight('days.date') }}) as starts_at,
        least(local_days.ends_at, {{ utc_midnight('days.date + 1') }}) as ends_at,
        local_days.starts_at >= {{ utc_midnight('days.date') }} as opens_day
    from local_days
    inner join run_days
        on local_days.date = run_days.date
    {{ cross_join_days(utc_date('local_days.starts_at'), utc_date('local_days.ends_at')) }}

),

windows_that_last as (

    select * from windows
    where starts_at < ends_at

)

select * from windows_that_last
