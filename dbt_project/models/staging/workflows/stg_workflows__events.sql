-- One row per thing that happened to an execution at a step.
-- One select, without CTEs: PostgreSQL looks through it, and so reads only the rows that are asked for.
select
    event_id,
    execution_id,
    workflow_id,
    step_id,
    event_type,
    occurred_at,
    recorded_at,
    duration_ms,
    payload,
    _batch_id
from {{ source('workflows', 'workflow_events') }}
