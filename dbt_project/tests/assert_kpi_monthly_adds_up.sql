{{ config(severity='error', meta={'mart': 'kpi_monthly'}) }}
-- Average, smallest, largest and last value of a month can be those of the same values. A row names the first rule
-- that it violates. That months are the sums of their days is an equation of the reconciliation.
with metrics as (

    select * from {{ ref('kpi_monthly') }}
    where month in (select run_months.date from {{ run_days('kpi_monthly') }} as run_months)

),

rows_judged as (

    select
        month as partition_start,
        case
            when value_count < 1 then 'value_count >= 1'
            when value_min > value_last or value_last > value_max then 'value_min <= value_last <= value_max'
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
