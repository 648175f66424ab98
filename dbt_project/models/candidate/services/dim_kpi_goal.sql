-- One row per KPI goal (goal_id).
with source_rows as (

    select * from {{ ref('stg_services__kpi_goals') }}

),

current_state as (

    select
        goal_id,
        name,
        description,
        service_name,
        metric_type,
        target_value,
        unit,
        start_date,
        end_date,
        alert_threshold,
        created_by,
        false as is_deleted,
        1::bigint as _source_row_count
    from source_rows

)

select * from current_state
