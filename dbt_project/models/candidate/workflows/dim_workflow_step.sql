-- One row per step of a workflow (step_id), deleted ones flagged.
with source_rows as (

    select * from {{ ref('stg_workflows__steps') }}

),

current_state as (

    select
        step_id,
        workflow_id,
        position,
        name,
        step_type,
        action_type,
        deleted_at is not null as is_deleted,
        1::bigint as _source_row_count
    from source_rows

)

select * from current_state
