-- One row per series and month with a day in kpi_daily, from those days.
with run_months as (

    select * from {{ run_days('kpi_monthly') }} as run_months

),

days as (

    select * from {{ standing(
        'kpi_daily',
        [
            'service_name', 'metric_type', 'segment', 'unit', 'date',
            'value_sum', 'value_count', 'value_min', 'value_max', 'value_last',
        ],
        '(select min(run_months.date) from run_months)',
        '(select ' ~ next_month('max(run_months.date)') ~ ' from run_months)'
    ) }} as days

),

days_of_run_months as (

    select
        days.*,
        run_months.date as month
    from days
    inner join run_months
        on {{ month_of('days.date') }} = run_months.date

),

summed as (

    select
        service_name,
        metric_type,
        segment,
        unit,
        month,
        sum(value_sum) as value_sum,
        sum(value_count) as value_count,
        min(value_min) as value_min,
        max(value_max) as value_max,
        max(date) as last_date
    from days_of_run_months
    group by service_name, metric_type, segment, unit, month

),

with_last as (

    select
        summed.service_name,
        summed.metric_type,
        summed.segment,
        summed.unit,
        summed.month,
        summed.value_sum::numeric(38, 12) as value_sum,
        summed.value_count::bigint as value_count,
        round(summed.value_sum / summed.value_count, 6)::numeric(38, 6) as value_avg,
        summed.value_min,
        summed.value_max,
        last_days.value_last,
        summed.value_count::bigint as _source_row_count
    from summed
    inner join days_of_run_months as last_days
        on
            summed.service_name = last_days.service_name
            and summed.metric_type = last_days.metric_type
            and summed.segment = last_days.segment
            and summed.unit = last_days.unit
            and summed.last_date = last_days.date

)

select * from with_last
