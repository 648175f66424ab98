-- One row per task, in its current state, deleted and cancelled ones included.
with tasks as (

    select * from {{ source('scheduling', 'tasks') }}

),

columns_named as (

    select
        task_id,
        user_id,
        category_id,
        title,
        status,
        scheduled_slots,
        completed_at,
        created_at,
        updated_at,
        deleted_at,
        _batch_id
    from tasks

)

select * from columns_named
