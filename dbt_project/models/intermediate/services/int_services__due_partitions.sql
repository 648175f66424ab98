-- One row per mart and day that the clock alone makes due: days that have ended since the instants that partitions
-- stand as of (or not yet, where the as-of instant has moved back).
with applications as (

    select * from {{ source('control', 'applications') }}
    where application = 'services' and oldest_as_of is not null

),

parameters as (

    select * from {{ source('control', 'current_run') }}

),

goals as (

    select * from {{ ref('int_services__kpi_goals') }}

),

limits as (

    select
        {{ utc_date('least(applications.oldest_as_of, parameters.as_of)') }} as first_date,
        {{ plus_days(utc_date('greatest(applications.newest_as_of, parameters.as_of)'), -1) }} as last_date,
        applications.first_date as first_date_with_data
    from applications
    cross join parameters

),

ended_days as (

    select
        days.date,
        limits.first_date_with_data
    from limits
    {{ cross_join_days('limits.first_date', 'limits.last_date') }}

),

-- What has no days is of the days that have ended.
due as (

    select
        'kpi_goal_snapshots' as mart,
        date as partition_start
    from ended_days
    where
        exists (
            select 1 from goals
            where ended_days.date >= goals.start_date and ended_days.date <= goals.end_date
        )
    union all
    select
        'kpi_anomalies' as mart,
        date as partition_start
    from ended_days
    where date >= first_date_with_data
    union
    select
        undated.mart,
        null as partition_start
    from ended_days
    cross join (
        values ('kpi_comparisons'), ('kpi_correlations'), ('kpi_forecast_accuracy'), ('kpi_forecasts')
    ) as undated (mart)

)

select * from due
