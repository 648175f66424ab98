-- One row per series, granularity and model scored; warehouse/services/forecasting.py scores them.
-- depends_on: {{ ref('int_services__standing_days') }}
with computed as (

    select * from {{ source('computed', 'kpi_forecast_accuracy') }}

),

forecast_accuracy as (

    select
        service_name,
        metric_type,
        unit,
        granularity,
        model,
        is_chosen,
        mase,
        smape,
        interval_coverage,
        n,
        1::bigint as _source_row_count
    from computed

)

select * from forecast_accuracy
