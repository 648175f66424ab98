{{ config(materialized='scratch', tags=['run']) }}
-- One row per usable focus slot and window of the run that it touches, clipped to it.
with slots as (

    select * from {{ ref('int_scheduling__focus_slots') }}
    where reason is null

),

windows as (

    select * from {{ ref('int_scheduling__run_windows') }}

),

focus_days as (

    select * from {{ slots_in_windows('slots', 'windows', ['user_id']) }} as focus_days

)

select * from focus_days
