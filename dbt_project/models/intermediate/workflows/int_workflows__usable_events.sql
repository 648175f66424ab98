-- One row per event that counts as of the current run: event, execution and step name the same workflow, and
-- nothing of them is deleted or quarantined.
with events as (

    select * from {{ ref('stg_workflows__events') }}

),

executions as (

    select * from {{ ref('int_workflows__usable_executions') }}

),

steps as (

    select * from {{ ref('int_workflows__steps') }}

),

parameters as (

    select * from {{ source('control', 'current_run') }}

),

usable as (

    select
        events.event_id,
        events.execution_id,
        events.workflow_id,
        events.step_id,
        events.event_type,
        events.occurred_at,
        events.duration_ms
    from events
    inner join executions
        on
            events.execution_id = executions.execution_id
            and events.workflow_id = executions.workflow_id
    inner join steps
        on
            events.step_id = steps.step_id
            and events.workflow_id = steps.workflow_id
    where
        events.event_type in ({{ known_event_types() }})
        -- Nearly all: a planner takes a range between bounds that it does not know for a needle, hence coalesce.
        and coalesce(
            events.occurred_at >= (select {{ utc_midnight('parameters.earliest_date') }} from parameters)
            and events.occurred_at <= (select parameters.future_limit from parameters),
            false
        )

)

select * from usable
