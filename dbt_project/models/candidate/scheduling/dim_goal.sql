-- One row per goal (goal_id), deleted ones flagged.
with source_rows as (

    select * from {{ ref('stg_scheduling__goals') }}

),

current_state as (

    select
        goal_id,
        user_id,
        name,
        category_id,
        target_type,
        target_value,
        time_period,
        start_date,
        end_date,
        is_active,
        deleted_at is not null as is_deleted,
        1::bigint as _source_row_count
    from source_rows

)

select * from current_state
