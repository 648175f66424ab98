-- One row per zone in use: the local day that the as-of instant is in.
with users as (

    select * from {{ ref('int_scheduling__users') }}

),

local_days as (

    select * from {{ source('control', 'local_days') }}

),

parameters as (

    select * from {{ source('control', 'current_run') }}

),

zones_in_use as (

    select distinct timezone from users

),

todays as (

    select
        zones_in_use.timezone,
        local_days.date as today
    from zones_in_use
    cross join parameters
    {{ cross_join_local_dates('parameters.as_of', 'parameters.as_of') }}
    inner join local_days
        on
            zones_in_use.timezone = local_days.timezone
            and touched.date = local_days.date
            and parameters.as_of >= local_days.starts_at
            and parameters.as_of < local_days.ends_at

)

select * from todays
