-- One row per event that counts as of the current run: event, execution and step name the same workflow, and
-- nothing of them is deleted or quarantined.
-- One select, without CTEs: PostgreSQL looks through it, and so reads only the rows that are asked for.
select
    events.event_id,
    events.execution_id,
    events.workflow_id,
    events.step_id,
    steps.action_type,
    events.event_type,
    events.occurred_at,
    events.duration_ms,
    executions.enrolled_at
from {{ ref('stg_workflows__events') }} as events
inner join {{ ref('int_workflows__usable_executions') }} as executions
    on
        events.execution_id = executions.execution_id
        and events.workflow_id = executions.workflow_id
inner join {{ ref('int_workflows__steps') }} as steps
    on
        events.step_id = steps.step_id
        and events.workflow_id = steps.workflow_id
where
    events.event_type in ({{ known_event_types() }})
    -- Nearly all: a planner takes a range between bounds that it does not know for a needle, hence coalesce.
    and coalesce(
        events.occurred_at >= (
            select {{ utc_midnight('parameters.earliest_date') }}
            from {{ source('control', 'current_run') }} as parameters
        )
        and events.occurred_at <= (
            select parameters.future_limit from {{ source('control', 'current_run') }} as parameters
        ),
        false
    )
