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

-- Goals that a run's days show, and the days that count in them.
goals as materialized (

    select
        g.goal_id, g.service_name, g.metric_type, nullif(g.unit, '') as unit,
        greatest(g.start_date, p.earliest_date - 1) as first_date,
        least(g.end_date, (p.as_of at time zone 'UTC')::date - 1) as last_date
    from raw.services__kpi_goals as g cross join parameters as p
    where
        g.target_value not in ('NaN', 'Infinity', '-Infinity') and isfinite(g.start_date) and isfinite(g.end_date)
        and exists (
            select from run_days
            where mart = 'kpi_goal_snapshots' and date >= g.start_date and date <= g.end_date
        )

),

quarantined as (

    select row_key::bigint as metric_id from quality.quarantine
    where source_table = 'services.metrics' and released_at is null

),

-- What has been reported and can be used, by series and day.
series_days as (

    select
        (m.recorded_at at time zone 'UTC')::date as date,
        m.service_name, m.metric_type, coalesce(m.segment, '') as segment, coalesce(m.unit, '') as unit,
        count(*) as value_count, sum(round(m.value::text::numeric, 12)) as value_sum
    from raw.services__metrics as m
    where
        not exists (select from quarantined as q where q.metric_id = m.metric_id)
        and (m.recorded_at at time zone 'UTC')::date >= (select min(date) from run_days where mart = 'kpi_daily')
    group by
        (m.recorded_at at time zone 'UTC')::date,
        m.service_name, m.metric_type, coalesce(m.segment, ''), coalesce(m.unit, '')

),

expected as (

    select date, sum(value_count) as value_count, sum(value_sum) as value_sum, count(*) as row_count
    from series_days
    where date in (select run_days.date from run_days where mart = 'kpi_daily')
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

-- The days that months and snapshots of goals are made of, as they will stand.
rebuilt as (

    select partition_start as date from control.run_partitions where mart = 'kpi_daily' and not is_held_back

),

months as (

    select date as month, (date + interval '1 month')::date as after from run_days where mart = 'kpi_monthly'

),

span as (

    select min(first) as first, max(after) as after
    from (
        select month as first, after from months
        union all
        select first_date, last_date + 1 from goals
    ) as spans

),

standing as materialized (

    select date, service_name, metric_type, segment, unit, value_count, value_sum
    from candidate.kpi_daily where date in (select rebuilt.date from rebuilt)
    union all
    select date, service_name, metric_type, segment, unit, value_count, value_sum
    from marts.kpi_daily
    where
        date >= (select span.first from span) and date < (select span.after from span)
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

),

values_of_goals as (

    select g.goal_id, s.date, sum(s.value_sum) as value
    from goals as g
    inner join standing as s
        on
            s.metric_type = g.metric_type and s.date >= g.first_date and s.date <= g.last_date
            and (g.service_name is null or s.service_name = g.service_name) and (g.unit is null or s.unit = g.unit)
    group by g.goal_id, s.date

),

goals_expected as (

    select d.date, count(distinct g.goal_id) as row_count, coalesce(sum(v.value), 0) as current_value
    from run_days as d
    left join goals as g on d.date >= g.first_date and d.date <= g.last_date
    left join values_of_goals as v on v.goal_id = g.goal_id and v.date <= d.date
    where d.mart = 'kpi_goal_snapshots'
    group by d.date

),

goals_observed as (

    select date, count(*) as row_count, sum(current_value) as current_value
    from candidate.kpi_goal_snapshots group by date

),

goals_compared as (

    select
        e.date, coalesce(o.row_count, 0) as row_count, e.row_count as expected_row_count,
        coalesce(o.current_value, 0) as current_value, e.current_value as expected_current_value
    from goals_expected as e left join goals_observed as o on o.date = e.date

),

-- Whole history, as it will stand, for the marts without dates.
history as materialized (

    select date, service_name, metric_type, segment, unit, value_sum from candidate.kpi_daily
    where date in (select rebuilt.date from rebuilt)
    union all
    select date, service_name, metric_type, segment, unit, value_sum from marts.kpi_daily
    where not exists (select from rebuilt where rebuilt.date = kpi_daily.date)

),

complete as (

    select history.* from history cross join parameters
    where
        date < (as_of at time zone 'UTC')::date
        and exists (
            select from control.run_partitions
            where mart in ('kpi_comparisons', 'kpi_forecasts', 'kpi_forecast_accuracy', 'kpi_correlations')
        )

),

weeks_and_months as (

    select distinct
        service_name, segment, metric_type, unit,
        date_trunc('week', date::timestamp) as week, date_trunc('month', date::timestamp) as month
    from complete

),

periods as (

    select 'day' as granularity, service_name, segment, metric_type, unit, date::timestamp as period
    from complete cross join parameters where date >= (as_of at time zone 'UTC')::date - 93
    union all
    select 'week', service_name, segment, metric_type, unit, week from weeks_and_months
    union all
    select g.granularity, service_name, segment, metric_type, unit, date_trunc(g.granularity, month)
    from weeks_and_months cross join (values ('month'), ('quarter'), ('year')) as g (granularity)

),

comparisons_expected as (

    select count(*) as row_count
    from (
        select distinct k.comparison, k.key, p.metric_type, p.unit, p.granularity, p.period
        from periods as p
        cross join lateral (values ('service', service_name), ('segment', segment), ('period', null)) as k (comparison, key)
    ) as compared

),

forecasts_expected as (

    select
        5 * sum(case when f.status is distinct from 'ok' then 1 when g.granularity = 'day' then 365 else 24 end) as row_count
    from (select distinct service_name, metric_type, unit from complete) as s
    cross join (values ('day'), ('week'), ('month'), ('quarter'), ('year')) as g (granularity)
    left join (select distinct service_name, metric_type, unit, granularity, status from candidate.kpi_forecasts) as f
        on f.service_name = s.service_name and f.metric_type = s.metric_type and f.unit = s.unit and f.granularity = g.granularity

),

anomalies_compared as (

    select
        d.date,
        (select count(*) from intermediate.computed_kpi_anomalies as a where a.date = d.date) as expected_row_count,
        count(c.date) as row_count,
        count(h.date) filter (where h.value_sum::double precision = c.value) as known
    from run_days as d
    left join candidate.kpi_anomalies as c on c.date = d.date
    left join history as h
        on
            h.date = c.date and h.service_name = c.service_name and h.metric_type = c.metric_type
            and h.segment = c.segment and h.unit = c.unit
    where d.mart = 'kpi_anomalies'
    group by d.date

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
union all
select 'kpi_goal_snapshots', 'row_count', date, row_count, expected_row_count from goals_compared
union all
select 'kpi_goal_snapshots', 'current_value', date, current_value, expected_current_value from goals_compared
union all
select 'kpi_comparisons', 'row_count', null, (select count(*) from candidate.kpi_comparisons), (select row_count from comparisons_expected)
union all
select
    'kpi_comparisons', 'value', null, (select coalesce(sum(value), 0) from candidate.kpi_comparisons where granularity <> 'day'),
    (select coalesce(12 * sum(value_sum), 0) from complete)
union all
select 'kpi_forecasts', 'row_count', null, (select count(*) from candidate.kpi_forecasts), (select coalesce(row_count, 0) from forecasts_expected)
union all
select 'kpi_forecast_accuracy', 'row_count', null, (select count(*) from candidate.kpi_forecast_accuracy), (select count(*) from intermediate.computed_kpi_forecast_accuracy)
union all
select 'kpi_correlations', 'row_count', null, (select count(*) from candidate.kpi_correlations), (select count(*) from intermediate.computed_kpi_correlations)
union all
select 'kpi_anomalies', 'row_count', date, row_count, expected_row_count from anomalies_compared
union all
select 'kpi_anomalies', 'value', date, known, row_count from anomalies_compared
