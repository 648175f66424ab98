-- One row per step of a workflow, as it is now, deleted ones included.
with workflow_steps as (

    select * from {{ source('workflows', 'workflow_steps') }}

),

columns_named as (

    select
        step_id,
        workflow_id,
        position,
        name,
        step_type,
        action_type,
        updated_at,
        deleted_at,
        _batch_id
    from workflow_steps

)

select * from columns_named
