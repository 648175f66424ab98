-- One row per thing that happened to an execution at a step.
with workflow_events as (

    select * from {{ source('workflows', 'workflow_events') }}

),

columns_named as (

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
    from workflow_events

)

select * from columns_named
