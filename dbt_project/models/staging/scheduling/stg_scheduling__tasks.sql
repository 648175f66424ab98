-- One row per task, in its current state, deleted and cancelled ones included.
-- One select, without CTEs: PostgreSQL looks through it, and so reads only the rows that are asked for.
select
    task_id,
    user_id,
    category_id,
    title,
    status,
    scheduled_slots,
    completed_at,
    created_at,
    updated_at,
    deleted_at,
    _batch_id
from {{ source('scheduling', 'tasks') }}
