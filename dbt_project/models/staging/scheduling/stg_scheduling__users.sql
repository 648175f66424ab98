-- One row per user of the planning application; the e-mail address stays in raw.
-- One select, without CTEs: PostgreSQL looks through it, and so reads only the rows that are asked for.
select
    user_id,
    timezone,
    created_at,
    updated_at,
    deleted_at,
    _batch_id
from {{ source('scheduling', 'users') }}
