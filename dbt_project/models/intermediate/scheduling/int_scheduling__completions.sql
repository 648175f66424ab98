{{ config(
    materialized='fact',
    key='task_id',
    affected='int_scheduling__affected_tasks',
    indexed_by=['completed_at'],
) }}
-- One row per completion of a task, whatever its status, of which neither it nor its user is deleted.
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

completions as (

    select
        tasks.task_id,
        tasks.user_id,
        users.timezone,
        coalesce(tasks.category_id, {{ nil_uuid() }}) as category_id,
        tasks.completed_at,
        case
            when tasks.completed_at < {{ utc_midnight('parameters.earliest_date') }} then 'before_earliest_date'
        end as reason
    from tasks
    inner join affected
        on tasks.task_id = affected.task_id
    inner join users
        on tasks.user_id = users.user_id
    cross join parameters
    where
        tasks.deleted_at is null
        -- A completion at +infinity counts nowhere.
        and {{ null_if_infinite('tasks.completed_at') }} is not null

)

select * from completions
