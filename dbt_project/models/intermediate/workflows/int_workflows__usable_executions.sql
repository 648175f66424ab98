-- One row per execution that counts as of the current run.
-- One select, without CTEs: PostgreSQL looks through it, and so reads only the rows that are asked for.
select executions.*
from {{ ref('int_workflows__executions') }} as executions
where
    executions.reason is null
    -- Nearly all: a planner takes a range from a bound that it does not know for a part, hence coalesce.
    and coalesce(
        executions.enrolled_at <= (
            select parameters.future_limit from {{ source('control', 'current_run') }} as parameters
        ),
        false
    )
