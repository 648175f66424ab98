-- One row per user and date with focus slots, as the source has it now.
-- One select, without CTEs: PostgreSQL looks through it, and so reads only the rows that are asked for.
select
    calendar_day_id,
    user_id,
    date,
    focus_slots,
    updated_at,
    _batch_id
from {{ source('scheduling', 'user_calendar_days') }}
