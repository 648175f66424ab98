{{ config(materialized='scratch') }}
-- One row per calendar day whose facts must be recomputed: its row changed, or its user's did.
with calendar_days as (

    select * from {{ ref('stg_scheduling__calendar_days') }}

),

calendar_day_changes as (

    select * from {{ changes('scheduling', 'user_calendar_days') }}
    where _batch_id > {{ facts_batch('scheduling') }}

),

user_changes as (

    select * from {{ changes('scheduling', 'users') }}
    where _batch_id > {{ facts_batch('scheduling') }}

),

affected as (

    select
        calendar_day_id,
        'scheduling.user_calendar_days' as source_table
    from calendar_day_changes
    union all
    select
        calendar_days.calendar_day_id,
        'scheduling.users' as source_table
    from calendar_days
    inner join user_changes
        on calendar_days.user_id = user_changes.user_id
    union all
    select
        calendar_day_id,
        'scheduling.user_calendar_days' as source_table
    from calendar_days
    where {{ facts_batch('scheduling') }} < 0

),

one_row_per_calendar_day as (

    select
        calendar_day_id,
        min(source_table) as source_table
    from affected
    group by calendar_day_id

)

select * from one_row_per_calendar_day
