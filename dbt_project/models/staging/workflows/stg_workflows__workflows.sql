-- One row per workflow, in its current state, deleted ones included.
with workflows as (

    select * from {{ source('workflows', 'workflows') }}

),

columns_named as (

    select
        workflow_id,
        name,
        status,
        conversion_window_seconds,
        created_at,
        updated_at,
        deleted_at,
        _batch_id
    from workflows

)

select * from columns_named
