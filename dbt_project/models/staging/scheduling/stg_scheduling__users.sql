-- One row per user of the planning application; the e-mail address stays in raw.
with users as (

    select * from {{ source('scheduling', 'users') }}

),

columns_named as (

    select
        user_id,
        timezone,
        created_at,
        updated_at,
        deleted_at,
        _batch_id
    from users

)

select * from columns_named
