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

slots_parsed as {{ computed_once() }} (

    select
        calendar_days_that_count.*,
        elements.ordinal::integer - 1 as position,
        elements.element,
        {{ text_member('elements.element', 'start') }} as start_text,
        {{ text_member('elements.element', 'end') }} as end_text
    from calendar_days_that_count
    {{ array_elements('focus_slots') }}

),

slots_timed as {{ computed_once() }} (

    select
        *,
        {{ parse_instant('start_text') }} as starts_at,
        {{ parse_instant('end_text') }} as ends_at
    from slots_parsed

),

slots_judged as {{ computed_once() }} (

    select
        *,
        {{ slot_reason('starts_at', 'ends_at', 'earliest_date') }} as reason
    from slots_timed

),

slots_and_non_arrays as (

    select
        calendar_day_id,
        position,
        user_id,
        timezone,
        starts_at,
        ends_at,
        reason,
        case when reason is not null then left(element::text, 1000) end as value
    from slots_judged
    union all
    select
        calendar_day_id,
        null as position,
        user_id,
        timezone,
        null as starts_at,
        null as ends_at,
        'slots_not_array' as reason,
        left(focus_slots::text, 1000) as value
    from calendar_days_that_count
    where not {{ is_array('focus_slots') }}

)

select * from slots_and_non_arrays
