-- One row per user and date with focus slots, as the source has it now.
with user_calendar_days as (

    select * from {{ source('scheduling', 'user_calendar_days') }}

),

columns_named as (

    select
        calendar_day_id,
        user_id,
        date,
        focus_slots,
        updated_at,
        _batch_id
    from user_calendar_days

)

select * from columns_named
