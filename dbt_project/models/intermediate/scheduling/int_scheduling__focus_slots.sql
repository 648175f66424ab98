{{ config(
    materialized='fact',
    key='calendar_day_id',
    affected='int_scheduling__affected_calendar_days',
    indexed_by=['starts_at'],
) }}
-- One row per element of focus_slots of a user who is not deleted, with the reason why it cannot be used;
-- one row at no position where the slots are no array. The calendar row's own date means nothing.
with affected as (

    select * from {{ ref('int_scheduling__affected_calendar_days') }}

),

calendar_days as (

    select * from {{ ref('stg_scheduling__calendar_days') }}

),

users as (

    select * from {{ ref('int_scheduling__users') }}

),

parameters as (

    select * from {{ source('control', 'current_run') }}

),

calendar_days_that_count as (

    select
        calendar_days.calendar_day_id,
        calendar_days.user_id,
        users.timezone,
        calendar_days.focus_slots,
        parameters.earliest_date
    from calendar_days
    inner join affected
        on calendar_days.calendar_day_id = affected.calendar_day_id
    inner join users
        on calendar_days.user_id = users.user_id
    cross join parameters

),

slots as (

    select * from {{ judged_slots(
        'calendar_days_that_count', 'focus_slots', ['calendar_day_id', 'user_id', 'timezone']
    ) }} as slots

)

select * from slots
