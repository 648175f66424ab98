{{ config(severity='error', meta={'mart': 'kpi_forecasts'}) }}
-- Intervals hold the forecast and are nested, and what has no forecast says why. A row names the first rule that it
-- violates; the mart has no days.
with forecasts as (

    select
        forecasts.*,
        lag(forecasts.lower) over by_level as lower_of_level_below,
        lag(forecasts.upper) over by_level as upper_of_level_below
    from {{ ref('kpi_forecasts') }} as forecasts
    window
        by_level as (
            partition by service_name, metric_type, unit, granularity, horizon order by confidence_level
        )

),

rows_judged as (

    select
        null::date as partition_start,
        service_name,
        metric_type,
        unit,
        granularity,
        horizon,
        confidence_level,
        case
            when
                (status = 'ok') <> (forecast is not null and lower is not null and upper is not null)
                then 'a forecast and its interval are null where status is not ok, and only there'
            when status = 'ok' and model is null then 'a forecast names its model'
            when lower > forecast or forecast > upper then 'lower <= forecast <= upper'
            when
                lower > lower_of_level_below or upper < upper_of_level_below
                then 'the interval of a higher level holds that of a lower one'
            when trend not in ('increasing', 'decreasing', 'stable') then 'trend is increasing, decreasing or stable'
            when
                trend_strength not between 0 and 1 or seasonality_strength not between 0 and 1
                then 'strengths are between 0 and 1'
            when target_period < as_of_date - 366 then 'what is forecast is not long past'
        end as violation
    from forecasts

),

violations as (

    select * from rows_judged
    where violation is not null

)

select * from violations
