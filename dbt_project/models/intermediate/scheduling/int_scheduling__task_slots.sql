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

slots_parsed as {{ computed_once() }} (

    select
        tasks_that_count.*,
        elements.ordinal::integer - 1 as position,
        elements.element,
        {{ text_member('elements.element', 'start') }} as start_text,
        {{ text_member('elements.element', 'end') }} as end_text
    from tasks_that_count
    {{ array_elements('scheduled_slots') }}

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
        task_id,
        position,
        user_id,
        timezone,
        category_id,
        is_completed,
        starts_at,
        ends_at,
        reason,
        case when reason is not null then left(element::text, 1000) end as value
    from slots_judged
    union all
    select
        task_id,
        null as position,
        user_id,
        timezone,
        category_id,
        is_completed,
        null as starts_at,
        null as ends_at,
        'slots_not_array' as reason,
        left(scheduled_slots::text, 1000) as value
    from tasks_that_count
    where not {{ is_array('scheduled_slots') }}

)

select * from slots_and_non_arrays
