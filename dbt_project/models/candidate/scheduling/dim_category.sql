-- One row per category (category_id), deleted ones flagged.
with source_rows as (

    select * from {{ ref('stg_scheduling__categories') }}

),

current_state as (

    select
        category_id,
        user_id,
        name,
        color,
        deleted_at is not null as is_deleted,
        1::bigint as _source_row_count
    from source_rows

)

select * from current_state
