-- One row per goal, its current version only, deleted ones included.
with goals as (

    select * from {{ source('scheduling', 'goals') }}

),

columns_named as (

    select
        goal_id,
        user_id,
        category_id,
        name,
        target_type,
        target_value,
        time_period,
        start_date,
        end_date,
        is_active,
        created_at,
        updated_at,
        deleted_at,
        _batch_id
    from goals

)

select * from columns_named
