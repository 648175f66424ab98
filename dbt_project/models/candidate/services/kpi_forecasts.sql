-- One row per series, granularity, horizon and confidence level; warehouse/services/forecasting.py makes them.
-- depends_on: {{ ref('int_services__standing_days') }}
with computed as (

    select * from {{ source('computed', 'kpi_forecasts') }}

),

forecasts as (

    select
        service_name,
        metric_type,
        unit,
        granularity,
        horizon,
        confidence_level,
        as_of_date,
        target_period,
        forecast,
        lower,
        upper,
        model,
        status,
        trend,
        trend_strength,
        seasonal_period,
        seasonality_strength,
        1::bigint as _source_row_count
    from computed

)

select * from forecasts
