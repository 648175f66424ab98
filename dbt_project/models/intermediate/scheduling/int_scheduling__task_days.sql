{{ config(materialized='scratch', tags=['run']) }}
-- One row per task and local day of the run that its scheduled slots touch, with their minutes in the day.
with slot_days as (

    select * from {{ ref('int_scheduling__slot_days') }}

),

summed as (

    select
        task_id,
        user_id,
        date,
        category_id,
        is_completed,
        sum((ends_minute - starts_minute)::integer) as minutes,
        sum(slots_count) as slots_count
    from slot_days
    group by task_id, user_id, date, category_id, is_completed

)

select * from summed
