{{ config(
    materialized='fact',
    key='task_id',
    affected='int_scheduling__affected_tasks',
    indexed_by=['starts_at'],
) }}
-- One row per element of scheduled_slots of a task that counts (neither it nor its user deleted, not
-- cancelled), with the reason why it cannot be used; one row at no position where the slots are no array.
with affected as (

    select * from {{ ref('int_scheduling__affected_tasks') }}

),

tasks as (

    select * from {{ ref('stg_scheduling__tasks') }}

),

users as (

    select * from {{ ref('int_scheduling__users') }}

),

parameters as (

    select * from {{ source('control', 'current_run') }}

),

tasks_that_count as (

    select
        tasks.task_id,
        tasks.user_id,
        users.timezone,
        coalesce(tasks.category_id, {{ nil_uuid() }}) as category_id,
        coalesce(
            {{ is_finite('tasks.completed_at') }}
            and tasks.completed_at >= {{ utc_midnight('parameters.earliest_date') }},
            false
        ) as is_completed,
        tasks.scheduled_slots,
        parameters.earliest_date
    from tasks
    inner join affected
        on tasks.task_id = affected.task_id
    inner join users
        on tasks.user_id = users.user_id
    cross join parameters
    where
        tasks.deleted_at is null
        and tasks.status <> 'cancelled'

),

slots as (

    select * from {{ judged_slots(
        'tasks_that_count', 'scheduled_slots', ['task_id', 'user_id', 'timezone', 'category_id', 'is_completed']
    ) }} as slots

)

select * from slots
