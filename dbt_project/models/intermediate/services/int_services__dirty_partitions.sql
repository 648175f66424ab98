-- One row per mart, day and source table that changes since the last plan have touched: the day where a
-- value was, from its before-image, and the day where it is now.
with metrics as (

    select * from {{ ref('stg_services__metrics') }}

),

metric_changes as (

    select * from {{ changes('services', 'metrics') }}
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

    select metric_id, recorded_at, value from metric_changes
    where _change <> 'insert'
    union all
    select metric_id, recorded_at, value from metrics
    where metric_id in (select metric_changes.metric_id from metric_changes)
    union all
    select metric_id, recorded_at, value from metrics
    where {{ facts_batch('services') }} < 0
    union all
    -- When the as-of instant moves, values stop (or begin again) to be in the future.
    select metrics.metric_id, metrics.recorded_at, metrics.value
    from metrics
    cross join applications
    cross join parameters
    where
        metrics.recorded_at > least(applications.as_of, parameters.as_of) + interval '24 hours'
        and metrics.recorded_at <= greatest(applications.as_of, parameters.as_of) + interval '24 hours'

),

dirty as (

    select
        'kpi_daily' as mart,
        {{ utc_date('touched.recorded_at') }} as partition_start,
        'services.metrics' as source_table,
        count(distinct touched.metric_id) as row_count
    from touched
    cross join parameters
    where
        {{ is_finite('touched.recorded_at') }}
        and {{ is_finite_number('touched.value') }}
        and touched.recorded_at >= {{ utc_midnight('parameters.earliest_date') }}
    group by {{ utc_date('touched.recorded_at') }}

)

select * from dirty
