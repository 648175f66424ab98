-- One row per zone in use and local date: the window of the day in that zone. Windows of one zone tile time.
with users as (

    select * from {{ ref('int_scheduling__users') }}

),

local_days as (

    select * from {{ source('control', 'local_days') }}

),

parameters as (

    select * from {{ source('control', 'current_run') }}

),

first_days as (

    select * from {{ ref('int_scheduling__first_day') }}

),

zones_in_use as (

    select distinct timezone from users

),

windows as (

    select
        local_days.timezone,
        local_days.date,
        local_days.starts_at,
        local_days.ends_at,
        1::bigint as _source_row_count
    from local_days
    inner join zones_in_use
        on local_days.timezone = zones_in_use.timezone
    cross join parameters
    cross join first_days
    where
        local_days.date >= first_days.first_date
        and local_days.date <= parameters.last_date

)

select * from windows
