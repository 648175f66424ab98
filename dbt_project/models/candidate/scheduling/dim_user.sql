-- One row per user (user_id), deleted ones flagged.
with source_rows as (

    select * from {{ ref('stg_scheduling__users') }}

),

current_state as (

    select
        user_id,
        timezone,
        created_at,
        deleted_at is not null as is_deleted,
        1::bigint as _source_row_count
    from source_rows

)

select * from current_state
