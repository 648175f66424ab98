-- One row per value of the scheduling application that cannot be used, and the reason.
with task_slots as (

    select * from {{ ref('int_scheduling__task_slots') }}

),

focus_slots as (

    select * from {{ ref('int_scheduling__focus_slots') }}

),

completions as (

    select * from {{ ref('int_scheduling__completions') }}

),

users as (

    select * from {{ ref('int_scheduling__users') }}

),

quarantined as (

    select
        'scheduling.tasks' as source_table,
        task_id::text as row_key,
        position,
        reason,
        value
    from task_slots
    where reason is not null
    union all
    select
        'scheduling.user_calendar_days' as source_table,
        calendar_day_id::text as row_key,
        position,
        reason,
        value
    from focus_slots
    where reason is not null
    union all
    -- One reason per row: a task whose slots are no array is listed for that.
    select
        'scheduling.tasks' as source_table,
        task_id::text as row_key,
        null as position,
        reason,
        completed_at::text as value
    from completions
    where
        reason is not null
        and not exists (
            select 1 from task_slots
            where
                task_slots.task_id = completions.task_id
                and task_slots.reason = 'slots_not_array'
        )
    union all
    select
        'scheduling.users' as source_table,
        user_id::text as row_key,
        null as position,
        'unknown_timezone' as reason,
        given_timezone as value
    from users
    where not has_known_timezone

)

select * from quarantined
