-- One row per enrolment of a contact in a workflow, in its latest state.
-- One select, without CTEs: PostgreSQL looks through it, and so reads only the rows that are asked for.
select
    execution_id,
    workflow_id,
    contact_id,
    status,
    enrolled_at,
    ended_at,
    goal_reached_at,
    current_step_id,
    updated_at,
    _batch_id
from {{ source('workflows', 'workflow_executions') }}
