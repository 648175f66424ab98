-- One row per goal, its current version only, deleted ones included.
-- One select, without CTEs: PostgreSQL looks through it, and so reads only the rows that are asked for.
select
    goal_id,
    user_id,
    category_id,
    name,
    target_type,
    target_value,
    time_period,
    start_date,
    end_date,
    is_active,
    created_at,
    updated_at,
    deleted_at,
    _batch_id
from {{ source('scheduling', 'goals') }}
