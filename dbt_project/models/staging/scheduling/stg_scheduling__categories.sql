-- One row per category of a user, deleted ones included: history keeps their names.
-- One select, without CTEs: PostgreSQL looks through it, and so reads only the rows that are asked for.
select
    category_id,
    user_id,
    name,
    color,
    updated_at,
    deleted_at,
    _batch_id
from {{ source('scheduling', 'categories') }}
