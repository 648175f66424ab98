{{ config(
    materialized='fact',
    key='execution_id',
    affected='int_workflows__affected_event_logs',
    indexed_by=['enrolled_date'],
) }}
-- One row per execution and step that it entered or skipped on its way through the funnel: what became of it there.
-- The walk goes from step to step, all executions at once, each with its own events as an array of marks in order.
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
        workflow_id,
        (row_number() over (partition by workflow_id order by position))::integer as step_number
    from steps

),

events_marked as (

    select
        events.execution_id,
        events.workflow_id,
        events.event_id,
        events.occurred_at,
        -- The window bounds entries only.
        case
            when
                events.event_type <> 'step_entered'
                or workflows.conversion_window_seconds is null
                or {{ microseconds_between('events.enrolled_at', 'events.occurred_at') }}
                <= workflows.conversion_window_seconds::numeric * 1000000
                then {{ step_mark('events.event_type', 'steps_numbered.step_number') }}
        end as mark
    from events
    inner join affected
        on events.execution_id = affected.execution_id
    inner join workflows
        on events.workflow_id = workflows.workflow_id
    inner join steps_numbered
        on events.step_id = steps_numbered.step_id

),

logs as (

    select
        execution_id,
        workflow_id,
        {{ array_in_order('mark', 'occurred_at, event_id') }} as marks,
        {{ array_in_order('occurred_at', 'occurred_at, event_id') }} as instants
    from events_marked
    group by execution_id, workflow_id

),

-- entry and last_entry: places of the events by which this step, and the nearest one through it that was not skipped,
-- were entered.
walk as (

    select
        execution_id,
        workflow_id,
        marks,
        instants,
        0 as step_number,
        null::integer as entry,
        0 as last_entry
    from logs
    union all
    select
        execution_id,
        workflow_id,
        marks,
        instants,
        step_number + 1 as step_number,
        {{ place_after('marks', step_mark("'step_entered'", 'step_number + 1'), 'last_entry') }} as entry,
        coalesce(
            {{ place_after('marks', step_mark("'step_entered'", 'step_number + 1'), 'last_entry') }}, last_entry
        ) as last_entry
    from walk
    where
        coalesce(
            {{ place_after('marks', step_mark("'step_entered'", 'step_number + 1'), 'last_entry') }},
            {{ place_after('marks', step_mark("'step_skipped'", 'step_number + 1'), 'last_entry') }}
        ) is not null

),

visits as (

    select
        execution_id,
        workflow_id,
        step_number,
        entry,
        {{ member_at('instants', 'entry') }} as entered_at,
        case
            when entry is not null
                then {{ member_at(
                    'instants', place_after('marks', step_mark("'step_completed'", 'step_number'), 'entry')
                ) }}
        end as completed_at,
        case
            when entry is not null
                then {{ place_after('marks', step_mark("'step_failed'", 'step_number'), 'entry') }}
        end as failure
    from walk
    where step_number > 0

),

visits_resolved as (

    select
        visits.execution_id,
        steps_numbered.step_id,
        visits.workflow_id,
        executions.contact_id,
        executions.enrolled_date,
        case
            when visits.entry is null then 'skipped'
            when visits.completed_at is not null then 'completed'
            when visits.failure is not null then 'failed'
            when executions.ended_at is not null then 'dropped'
            else 'open'
        end as outcome,
        {{ microseconds_between('visits.entered_at', 'visits.completed_at') }} as microseconds_in_step
    from visits
    inner join executions
        on visits.execution_id = executions.execution_id
    inner join steps_numbered
        on
            visits.workflow_id = steps_numbered.workflow_id
            and visits.step_number = steps_numbered.step_number

)

select * from visits_resolved
