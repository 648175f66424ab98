-- One row per value of the workflows application that cannot be used, and the reason.
with executions as (

    select * from {{ ref('int_workflows__executions') }}

),

unusable_events as (

    select * from {{ ref('int_workflows__unusable_events') }}

),

parameters as (

    select * from {{ source('control', 'current_run') }}

),

judged as (

    select
        executions.execution_id,
        coalesce(
            executions.reason,
            case when executions.enrolled_at > parameters.future_limit then 'in_the_future' end
        ) as reason,
        coalesce(executions.value, executions.enrolled_at::text) as value
    from executions
    cross join parameters

),

quarantined as (

    select
        'workflows.workflow_executions' as source_table,
        execution_id::text as row_key,
        null::integer as position,
        reason,
        value
    from judged
    where reason is not null
    union all
    select
        'workflows.workflow_events' as source_table,
        event_id::text as row_key,
        null::integer as position,
        reason,
        value
    from unusable_events

)

select * from quarantined
