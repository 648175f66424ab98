{{ config(materialized='scratch', tags=['run']) }}
-- One row per usable scheduled slot and window of the run that it touches, clipped to it.
with slots as (

    select * from {{ ref('int_scheduling__task_slots') }}
    where reason is null

),

windows as (

    select * from {{ ref('int_scheduling__run_windows') }}

),

slot_days as (

    select * from {{ slots_in_windows(
        'slots', 'windows', ['task_id', 'user_id', 'category_id', 'is_completed']
    ) }} as slot_days

)

select * from slot_days
