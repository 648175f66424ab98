{{ config(severity='warn', meta={'mart': 'kpi_forecast_accuracy', 'reason': 'series change their ways'}) }}
-- The model chosen for a series does no worse than the seasonal naive method on what was held back. A warning: a
-- series can change its ways between choice and scoring.
with accuracy as (

    select * from {{ ref('kpi_forecast_accuracy') }}

),

violations as (

    select
        null::date as partition_start,
        chosen.service_name,
        chosen.metric_type,
        chosen.unit,
        chosen.granularity,
        'a chosen model is not worse than seasonal naive' as violation
    from accuracy as chosen
    inner join accuracy as benchmark
        on
            chosen.service_name = benchmark.service_name
            and chosen.metric_type = benchmark.metric_type
            and chosen.unit = benchmark.unit
            and chosen.granularity = benchmark.granularity
    where chosen.is_chosen and benchmark.model = 'seasonal_naive' and chosen.mase > benchmark.mase

)

select * from violations
