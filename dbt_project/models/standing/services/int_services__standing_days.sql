{{ config(tags=['run']) }}
-- One row per series and UTC day of kpi_daily as it will stand after this run. A view, which SQL reads for whole
-- history and warehouse/services/rows.py for as much of it as a method needs.
with standing_days as (

    select
        service_name,
        metric_type,
        segment,
        unit,
        date,
        value_sum
    from {{ standing('kpi_daily', ['service_name', 'metric_type', 'segment', 'unit', 'date', 'value_sum']) }} as days

)

select * from standing_days
