-- One row per series (service, metric type, segment, unit) and UTC day with a usable value.
with metrics as (

    select * from {{ ref('int_services__metrics') }}
    -- Not "reason is null", of which the planner expects hardly a row.
    where case when reason is null then true else false end  -- noqa: ST02

),

run_days as (

    select * from {{ run_days('kpi_daily') }} as run_days

),

summed_by_day as (

    select
        metrics.service_name,
        metrics.metric_type,
        metrics.segment,
        metrics.unit,
        metrics.date,
        sum({{ exact_decimal('metrics.value') }}) as value_sum,
        count(*) as value_count,
        min(metrics.value) as value_min,
        max(metrics.value) as value_max,
        {{ last_id('metrics.recorded_at', 'metrics.metric_id') }} as last_metric_id
    from metrics
    inner join run_days
        on metrics.date = run_days.date
    group by metrics.service_name, metrics.metric_type, metrics.segment, metrics.unit, metrics.date

),

summed as (

    select
        summed_by_day.*,
        -- A look by key for each row, where a join would hash every value that there is.
        (
            select max(last_values.value) + 0
            from {{ ref('stg_services__metrics') }} as last_values
            where last_values.metric_id = summed_by_day.last_metric_id
        ) as value_last
    from summed_by_day

),

with_last as (

    select
        summed.service_name,
        summed.metric_type,
        summed.segment,
        summed.unit,
        summed.date,
        summed.value_sum::numeric(38, 12) as value_sum,
        summed.value_count::integer as value_count,
        round(summed.value_sum / summed.value_count, 6)::numeric(38, 6) as value_avg,
        summed.value_min,
        summed.value_max,
        summed.value_last,
        summed.value_count::bigint as _source_row_count
    from summed

)

select * from with_last
