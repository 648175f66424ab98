{{ config(severity='error', meta={'mart': 'kpi_daily'}) }}
-- Sum, average, smallest, largest and last value of a day can be those of the same values. A row names the first
-- rule that it violates.
with metrics as (

    select * from {{ ref('kpi_daily') }}
    where date in (select run_days.date from {{ run_days('kpi_daily') }} as run_days)

),

rows_judged as (

    select
        date as partition_start,
        case
            when value_count < 1 then 'value_count >= 1'
            when value_min > value_last or value_last > value_max then 'value_min <= value_last <= value_max'
            when value_min <= -1e20 or value_max >= 1e20 then 'values are below 1e20, either sign'
            -- The average is compared as a sum, so that no tolerance is needed: each value was rounded to 12
            -- decimals before it was added, rounding keeps order, and the addition is exact.
            when
                value_sum < value_count * {{ exact_decimal('value_min') }}
                or value_sum > value_count * {{ exact_decimal('value_max') }}
                then 'value_min <= value_sum / value_count <= value_max'
            when value_avg <> round(value_sum / value_count, 6)
                then 'value_avg = value_sum / value_count, to 6 decimals'
        end as violation,
        service_name,
        metric_type,
        segment,
        unit
    from metrics

),

violations as (

    select * from rows_judged
    where violation is not null

)

select * from violations
