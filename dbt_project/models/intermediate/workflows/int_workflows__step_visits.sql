{{ config(
    materialized='fact',
    key='execution_id',
    affected='int_workflows__affected_event_logs',
    indexed_by=['enrolled_date'],
) }}
-- One row per execution and step that it entered or skipped on its way through the funnel: what became of it there.
-- The walk visits the steps in order, all executions at once, over arrays of the places of their events.
with recursive affected as (

    select * from {{ ref('int_workflows__affected_event_logs') }}

),

events as (

    select * from {{ ref('int_workflows__usable_events') }}
    where event_type in ({{ quoted(step_event_types()) }})

),

executions as (

    select * from {{ ref('int_workflows__usable_executions') }}

),

workflows as (

    select * from {{ ref('stg_workflows__workflows') }}

),

steps as (

    select * from {{ ref('int_workflows__steps') }}

),

steps_numbered as (

    select
        step_id,
        row_number() over (partition by workflow_id order by position) as step_number
    from steps

),

events_in_order as {{ computed_once() }} (

    select
        events.execution_id,
        steps_numbered.step_number,
        steps_numbered.step_id,
        events.event_type,
        events.occurred_at,
        row_number() over (partition by events.execution_id order by events.occurred_at, events.event_id) as place,
        -- The window bounds entries only.
        events.event_type = 'step_entered'
        and (
            workflows.conversion_window_seconds is null
            or {{ microseconds_between('executions.enrolled_at', 'events.occurred_at') }}
            <= workflows.conversion_window_seconds::numeric * 1000000
        ) as is_entry
    from events
    inner join affected
        on events.execution_id = affected.execution_id
    inner join executions
        on events.execution_id = executions.execution_id
    inner join workflows
        on events.workflow_id = workflows.workflow_id
    inner join steps_numbered
        on events.step_id = steps_numbered.step_id

),

places as {{ computed_once() }} (

    select
        execution_id,
        step_number,
        {{ array_of('place', 'is_entry') }} as entries,
        {{ array_of('place', "event_type = 'step_skipped'") }} as skips
    from events_in_order
    where
        is_entry
        or event_type = 'step_skipped'
    group by execution_id, step_number

),

-- last_entry: by which event the nearest earlier step, that was not skipped, was entered.
walk as (

    select
        execution_id,
        step_number,
        {{ first_above('entries', '0') }} as entry,
        coalesce({{ first_above('entries', '0') }}, 0) as last_entry
    from places
    where step_number = 1
    union all
    select
        places.execution_id,
        places.step_number,
        {{ first_above('places.entries', 'walk.last_entry') }} as entry,
        coalesce({{ first_above('places.entries', 'walk.last_entry') }}, walk.last_entry) as last_entry
    from walk
    inner join places
        on
            walk.execution_id = places.execution_id
            and walk.step_number + 1 = places.step_number
    where
        {{ first_above('places.entries', 'walk.last_entry') }} is not null
        or {{ first_above('places.skips', 'walk.last_entry') }} is not null

),

visits as (

    select
        walk.execution_id,
        events_in_order.step_id,
        walk.entry,
        min(case when events_in_order.place = walk.entry then events_in_order.occurred_at end) as entered_at,
        min(
            case
                when events_in_order.event_type = 'step_completed' and events_in_order.place > walk.entry
                    then events_in_order.occurred_at
            end
        ) as completed_at,
        count(
            case when events_in_order.event_type = 'step_failed' and events_in_order.place > walk.entry then 1 end
        ) as failed_count
    from walk
    inner join events_in_order
        on
            walk.execution_id = events_in_order.execution_id
            and walk.step_number = events_in_order.step_number
    group by walk.execution_id, events_in_order.step_id, walk.entry

),

visits_resolved as (

    select
        visits.execution_id,
        visits.step_id,
        executions.workflow_id,
        executions.contact_id,
        executions.enrolled_date,
        case
            when visits.entry is null then 'skipped'
            when visits.completed_at is not null then 'completed'
            when visits.failed_count > 0 then 'failed'
            when executions.ended_at is not null then 'dropped'
            else 'open'
        end as outcome,
        {{ microseconds_between('visits.entered_at', 'visits.completed_at') }} as microseconds_in_step
    from visits
    inner join executions
        on visits.execution_id = executions.execution_id

)

select * from visits_resolved
