-- One row per mart, day and source table that changes since the last plan have touched: the day where a
-- value was, from its before-image, and the day where it is now, and the later days that depend on it.
with metrics as {{ computed_where_used() }} (

    select * from {{ ref('stg_services__metrics') }}

),

metric_changes as (

    select * from {{ changes('services', 'metrics') }}
    where _batch_id > {{ facts_batch('services') }}

),

goals as (

    select
        goal_id,
        service_name,
        metric_type,
        unit,
        first_date,
        least(end_date, {{ plus_days(utc_date(latest_as_of('services')), -1) }}) as last_date
    from {{ ref('int_services__kpi_goals') }}

),

goal_changes as (

    select * from {{ changes('services', 'kpi_goals') }}
    where _batch_id > {{ facts_batch('services') }}

),

applications as (

    select * from {{ source('control', 'applications') }}
    where application = 'services'

),

parameters as (

    select * from {{ source('control', 'current_run') }}

),

touched as (

    select metric_id, service_name, metric_type, coalesce(unit, '') as unit, recorded_at, value
    from metric_changes
    where _change <> 'insert'
    union all
    select metric_id, service_name, metric_type, coalesce(unit, '') as unit, recorded_at, value
    from metrics
    where
        metric_id in (select metric_changes.metric_id from metric_changes)
        and {{ facts_batch('services') }} >= 0
    union all
    -- When the as-of instant moves, values stop (or begin again) to be in the future.
    select
        metrics.metric_id,
        metrics.service_name,
        metrics.metric_type,
        coalesce(metrics.unit, '') as unit,
        metrics.recorded_at,
        metrics.value
    from metrics
    cross join applications
    cross join parameters
    where
        metrics.recorded_at > least(applications.oldest_as_of, parameters.as_of) + interval '24 hours'
        and metrics.recorded_at <= greatest(applications.newest_as_of, parameters.as_of) + interval '24 hours'

),

-- Where all values are taken in anew, each is there once: counted without keeping them.
all_values as (

    select
        service_name,
        metric_type,
        coalesce(unit, '') as unit,
        recorded_at,
        value
    from metrics
    where {{ facts_batch('services') }} < 0

),

touched_days as {{ computed_once() }} (

    select
        counted.service_name,
        counted.metric_type,
        counted.unit,
        counted.date,
        sum(counted.row_count)::bigint as row_count
    from (
        select
            touched.service_name,
            touched.metric_type,
            touched.unit,
            {{ utc_date('touched.recorded_at') }} as date,
            count(distinct touched.metric_id) as row_count
        from touched
        cross join parameters
        where
            {{ is_finite('touched.recorded_at') }}
            and {{ is_finite_number('touched.value') }}
            and touched.recorded_at >= {{ utc_midnight('parameters.earliest_date') }}
        group by touched.service_name, touched.metric_type, touched.unit, {{ utc_date('touched.recorded_at') }}
        union all
        select
            all_values.service_name,
            all_values.metric_type,
            all_values.unit,
            {{ utc_date('all_values.recorded_at') }} as date,
            count(*) as row_count
        from all_values
        cross join parameters
        where
            {{ is_finite('all_values.recorded_at') }}
            and {{ is_finite_number('all_values.value') }}
            and all_values.recorded_at >= {{ utc_midnight('parameters.earliest_date') }}
        group by
            all_values.service_name,
            all_values.metric_type,
            all_values.unit,
            {{ utc_date('all_values.recorded_at') }}
    ) as counted
    group by counted.service_name, counted.metric_type, counted.unit, counted.date

),

days as (

    select
        date,
        sum(row_count)::bigint as row_count
    from touched_days
    group by date

),

days_after as (

    select
        days_of_windows.date,
        days_of_windows.row_count
    from (
        select
            touched.row_count,
            days.date
        from days as touched
        {{ cross_join_days('touched.date', plus_days('touched.date', anomaly_window_days())) }}
    ) as days_of_windows
    where days_of_windows.date <= {{ utc_date(latest_as_of('services')) }}

),

-- A value counts in its goals from its day on.
goals_reached as (

    select
        goals.goal_id,
        goals.last_date,
        min(touched_days.date) as first_date,
        sum(touched_days.row_count)::bigint as row_count
    from goals
    inner join touched_days
        on
            goals.metric_type = touched_days.metric_type
            and goals.first_date <= touched_days.date
            and goals.last_date >= touched_days.date
            and (goals.service_name is null or goals.service_name = touched_days.service_name)
            and (goals.unit is null or goals.unit = touched_days.unit)
    group by goals.goal_id, goals.last_date

),

-- A goal that changed: its days as they were and as they are.
goals_changed as (

    select
        goal_id,
        start_date as first_date,
        end_date as last_date
    from goal_changes
    where _change <> 'insert' and {{ is_finite('start_date') }} and {{ is_finite('end_date') }}
    union all
    select
        goal_id,
        first_date,
        last_date
    from goals
    where
        goal_id in (select goal_changes.goal_id from goal_changes)
        or {{ facts_batch('services') }} < 0

),

goals_changed_within_limits as (

    select
        goals_changed.goal_id,
        greatest(goals_changed.first_date, {{ plus_days('parameters.earliest_date', -1) }}) as first_date,
        least(goals_changed.last_date, {{ utc_date(latest_as_of('services')) }}) as last_date
    from goals_changed
    cross join parameters

),

dirty as (

    select
        'kpi_daily' as mart,
        days.date as partition_start,
        'services.metrics' as source_table,
        days.row_count
    from days
    union all
    select
        'kpi_goal_snapshots' as mart,
        days.date as partition_start,
        'services.metrics' as source_table,
        sum(goals_reached.row_count)::bigint as row_count
    from goals_reached
    {{ cross_join_days('goals_reached.first_date', 'goals_reached.last_date') }}
    group by days.date
    union all
    select
        'kpi_goal_snapshots' as mart,
        days.date as partition_start,
        'services.kpi_goals' as source_table,
        count(distinct goals_changed_within_limits.goal_id) as row_count
    from goals_changed_within_limits
    {{ cross_join_days('goals_changed_within_limits.first_date', 'goals_changed_within_limits.last_date') }}
    group by days.date
    union all
    -- What is expected of a day comes from the days before it.
    select
        'kpi_anomalies' as mart,
        days_after.date as partition_start,
        'services.metrics' as source_table,
        sum(days_after.row_count)::bigint as row_count
    from days_after
    group by days_after.date

)

select * from dirty
