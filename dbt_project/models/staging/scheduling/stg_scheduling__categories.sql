-- One row per category of a user, deleted ones included: history keeps their names.
with categories as (

    select * from {{ source('scheduling', 'categories') }}

),

columns_named as (

    select
        category_id,
        user_id,
        name,
        color,
        updated_at,
        deleted_at,
        _batch_id
    from categories

)

select * from columns_named
