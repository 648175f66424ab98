-- Equations of the services application: measures recomputed from raw and from the quarantine, without the
-- models that the candidate was built from. One row per mart, equation and day.
with parameters as (

    select * from control.current_run

),

run_days as (

    select mart, partition_start as date
    from control.run_partitions cross join parameters
    where application = 'services' and partition_start <= last_date

),

used as materialized (

    select
        m.service_name, m.metric_type, m.segment, m.unit, m.value,
        (m.recorded_at at time zone 'UTC')::date as date
    from raw.services__metrics as m
    left join (
        select row_key::bigint as metric_id from quality.quarantine
        where source_table = 'services.metrics' and released_at is null
    ) as q on q.metric_id = m.metric_id
    where q.metric_id is null

),

expected as (

    select
        date, count(*) as value_count, sum(round(value::text::numeric, 12)) as value_sum,
        count(distinct jsonb_build_array(service_name, metric_type, coalesce(segment, ''), coalesce(unit, ''))) as row_count
    from used
    where date in (select run_days.date from run_days)
    group by date

),

observed as (

    select date, sum(value_count) as value_count, sum(value_sum) as value_sum, count(*) as row_count
    from candidate.kpi_daily group by date

),

compared as (

    select
        d.date,
        coalesce(o.value_count, 0) as value_count, coalesce(e.value_count, 0) as expected_value_count,
        coalesce(o.value_sum, 0) as value_sum, coalesce(e.value_sum, 0) as expected_value_sum,
        coalesce(o.row_count, 0) as row_count, coalesce(e.row_count, 0) as expected_row_count
    from run_days as d
    left join observed as o on o.date = d.date
    left join expected as e on e.date = d.date
    where d.mart = 'kpi_daily'

),

-- The days that months are made of, as they will stand.
rebuilt as (

    select partition_start as date from control.run_partitions where mart = 'kpi_daily' and not is_held_back

),

months as (

    select date as month, (date + interval '1 month')::date as after from run_days where mart = 'kpi_monthly'

),

standing as (

    select date, service_name, metric_type, segment, unit, value_count, value_sum
    from candidate.kpi_daily where date in (select rebuilt.date from rebuilt)
    union all
    select date, service_name, metric_type, segment, unit, value_count, value_sum
    from marts.kpi_daily
    where
        date >= (select min(months.month) from months) and date < (select max(months.after) from months)
        and not exists (select from rebuilt where rebuilt.date = kpi_daily.date)

),

months_expected as (

    select
        months.month, coalesce(sum(value_count), 0) as value_count, coalesce(sum(value_sum), 0) as value_sum,
        count(distinct jsonb_build_array(service_name, metric_type, segment, unit)) filter (where value_count > 0) as row_count
    from months left join standing on standing.date >= months.month and standing.date < months.after
    group by months.month

),

months_observed as (

    select month, count(*) as row_count, sum(value_count) as value_count, sum(value_sum) as value_sum
    from candidate.kpi_monthly group by month

),

months_compared as (

    select
        e.month,
        coalesce(o.row_count, 0) as row_count, e.row_count as expected_row_count,
        coalesce(o.value_count, 0) as value_count, e.value_count as expected_value_count,
        coalesce(o.value_sum, 0) as value_sum, e.value_sum as expected_value_sum
    from months_expected as e left join months_observed as o on o.month = e.month

)

select 'kpi_daily' as mart, 'row_count' as equation, date as partition_start, row_count::numeric as observed, expected_row_count::numeric as expected
from compared
union all
select 'kpi_daily', 'value_count', date, value_count, expected_value_count from compared
union all
select 'kpi_daily', 'value_sum', date, value_sum, expected_value_sum from compared
union all
select 'kpi_monthly', 'row_count', month, row_count, expected_row_count from months_compared
union all
select 'kpi_monthly', 'value_count', month, value_count, expected_value_count from months_compared
union all
select 'kpi_monthly', 'value_sum', month, value_sum, expected_value_sum from months_compared
union all
select 'dim_kpi_goal', 'row_count', null, (select count(*) from candidate.dim_kpi_goal), (select count(*) from raw.services__kpi_goals)
