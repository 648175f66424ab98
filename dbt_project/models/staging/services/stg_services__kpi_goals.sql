-- One row per target for a metric between two UTC dates, as it is now.
with kpi_goals as (

    select * from {{ source('services', 'kpi_goals') }}

),

columns_named as (

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
        status,
        alert_threshold,
        created_by,
        created_at,
        updated_at,
        _batch_id
    from kpi_goals

)

select * from columns_named
