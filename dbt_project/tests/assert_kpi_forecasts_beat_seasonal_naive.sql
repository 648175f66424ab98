{{ config(severity='warn', meta={'mart': 'kpi_forecast_accuracy', 'reason': 'a series can change its ways'}) }}
-- The models chosen do no worse than the seasonal naive method on what was held back, beyond what chance does: of one
-- series and window either may win. Limits and their evidence: docs/decisions/0012.
with accuracy as (

    select * from {{ ref('kpi_forecast_accuracy') }}

),

pairs as (

    select
        chosen.service_name,
        chosen.metric_type,
        chosen.unit,
        chosen.granularity,
        chosen.n,
        chosen.mase,
        benchmark.mase as benchmark_mase,
        case when chosen.mase > 0 and benchmark.mase > 0 then ln(chosen.mase / benchmark.mase) end as log_ratio
    from accuracy as chosen
    inner join accuracy as benchmark
        on
            chosen.service_name = benchmark.service_name
            and chosen.metric_type = benchmark.metric_type
            and chosen.unit = benchmark.unit
            and chosen.granularity = benchmark.granularity
    where chosen.is_chosen and benchmark.model = 'seasonal_naive'

),

-- Mean of the logarithms of relative errors, one per series: Davydenko and Fildes, Measuring forecasting accuracy,
-- International Journal of Forecasting 29 (2013).
granularities as (

    select
        granularity,
        count(log_ratio) as series_count,
        avg(log_ratio) as mean_log_ratio,
        stddev_samp(log_ratio) / sqrt(count(log_ratio)) as standard_error
    from pairs
    group by granularity
    having count(log_ratio) > 1

),

violations as (

    select
        null::date as partition_start,
        granularities.granularity,
        null as service_name,
        null as metric_type,
        null as unit,
        'the chosen models of a granularity are not worse than seasonal naive' as violation
    from granularities
    left join {{ ref('int_services__t_quantiles') }} as t_quantiles
        on granularities.series_count - 1 = t_quantiles.degrees
    where
        granularities.mean_log_ratio > granularities.standard_error
        * {{ t_quantile_975('(granularities.series_count - 1)', 't_quantiles.quantile') }}
    union all
    select
        null::date as partition_start,
        granularity,
        service_name,
        metric_type,
        unit,
        'the model chosen for a series has less than three times the error of seasonal naive' as violation
    from pairs
    where n >= 14 and mase >= 3 * benchmark_mase and mase > 0

)

select * from violations
