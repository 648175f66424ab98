-- One row per execution that counts as of the current run.
with executions as (

    select * from {{ ref('int_workflows__executions') }}

),

parameters as (

    select * from {{ source('control', 'current_run') }}

),

usable as (

    select executions.*
    from executions
    cross join parameters
    where
        executions.reason is null
        and executions.enrolled_at <= parameters.future_limit

)

select * from usable
