-- One row per workflow (workflow_id), deleted ones flagged.
with source_rows as (

    select * from {{ ref('stg_workflows__workflows') }}

),

current_state as (

    select
        workflow_id,
        name,
        status,
        conversion_window_seconds,
        deleted_at is not null as is_deleted,
        1::bigint as _source_row_count
    from source_rows

)

select * from current_state
